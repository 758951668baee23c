package jobs

// LateRows is what second looks have done: rows that were written about clients
// after these were erased.
type LateRows struct {
	Erased  map[string]int64 // rows erased or moved to the target of a merge, by table
	Refused map[string]int   // clients of whom the database refuses to erase such rows, by code; they are tried again once a day
}

// Add adds what another look has done.
func (l LateRows) Add(o LateRows) {
	for table, n := range o.Erased {
		l.Erased[table] += n
	}
	for code, n := range o.Refused {
		l.Refused[code] += n
	}
}
