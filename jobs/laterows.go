package jobs

// LateRows counts rows that other sessions wrote about clients after these were
// erased. A later search, the second look, finds and erases them.
type LateRows struct {
	Erased  map[string]int64 // rows erased or moved to the target of a merge, by table
	Ended   int              // number of jobs whose first second look has ended, so that their mails are due
	Refused map[string]int   // clients by code, if the database refuses to erase such rows; they are tried again once a day
}

// LateReport is the state of the second looks of one job, for its readers.
type LateReport struct {
	Looking bool           `json:"looking,omitempty" doc:"The first search has not ended yet; the mail is sent after it"`
	Refused map[string]int `json:"refused,omitempty" doc:"Number of erased clients about whom the database refuses to erase such rows, by code; tried again every day"`
}

// Add adds the counts of another second look.
func (l *LateRows) Add(o LateRows) {
	l.Ended += o.Ended
	for table, n := range o.Erased {
		l.Erased[table] += n
	}
	for code, n := range o.Refused {
		l.Refused[code] += n
	}
}
