package jobs

// LateRows is what second looks have done: rows that were written about clients
// after these were erased.
type LateRows struct {
	Erased  map[string]int64 // rows erased or moved to the target of a merge, by table
	Ended   int              // jobs whose first look has ended: their mails are due
	Refused map[string]int   // clients of whom the database refuses to erase such rows, by code; they are tried again once a day
}

// LateReport is what there is to say about the search for such rows of one job.
type LateReport struct {
	Looking bool           `json:"looking,omitempty" doc:"The first look has not ended yet; the mail waits for it"`
	Refused map[string]int `json:"refused,omitempty" doc:"Erased clients of whom the database refuses to erase such rows, by code; tried again every day"`
}

// Add adds what another look has done.
func (l *LateRows) Add(o LateRows) {
	l.Ended += o.Ended
	for table, n := range o.Erased {
		l.Erased[table] += n
	}
	for code, n := range o.Refused {
		l.Refused[code] += n
	}
}
