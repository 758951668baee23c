package jobs

import "time"

// Law is what decides for how long a tenant's records are kept.
type Law struct {
	Country       string // ISO 3166
	FiscalYearEnd string // as the tenant's row has it; empty: the calendar year
	TimeZone      string // empty: nobody says
	Today         Date   // at the tenant; without a time zone, the day that has begun everywhere
}

// Retention is what is kept of a tenant's former clients because the law asks
// for it, and what became of what it no longer asks for. It counts rows and
// names nobody.
type Retention struct {
	TenantID string  `json:"tenant_id"`
	Kept     []Kept  `json:"kept" doc:"By rule and table; empty as long as nobody of this tenant was erased"`
	Sweeps   []Sweep `json:"sweeps" doc:"The latest, newest first"`
}

// Kept is what one rule keeps of one table, as it was counted last.
type Kept struct {
	Rule      string     `json:"rule" doc:"Of the map's section retention"`
	Table     string     `json:"table"`
	Rows      int64      `json:"rows" doc:"Rows with retained columns, those that are due included"`
	Years     []KeptYear `json:"years" doc:"The rows that the law still keeps, by the year in which it stops; in order"`
	Due       int64      `json:"due" doc:"Rows that the law no longer keeps and that a sweep has yet to clear"`
	Overdue   int64      `json:"overdue" doc:"Of those, rows that should have gone before yesterday ended"`
	Refused   int64      `json:"refused" doc:"Of those, rows that the database refuses to clear: see sweeps"`
	Cleared   int64      `json:"cleared" doc:"Rows that sweeps have cleared since the beginning"`
	CountedAt time.Time  `json:"counted_at"`
}

// KeptYear is how many rows the law keeps until some day of a year.
type KeptYear struct {
	Year int   `json:"year" doc:"Of the last day on which the law keeps the rows; the day after, they are cleared"`
	Rows int64 `json:"rows"`
}

// Sweep is what one day's sweep did to one table.
type Sweep struct {
	Table      string           `json:"table"`
	Day        Date             `json:"day" doc:"At the tenant"`
	State      SweepState       `json:"state" enum:"finished,running,waiting"`
	Rows       int64            `json:"rows" doc:"Rows whose retained columns were cleared"`
	Refused    map[string]int64 `json:"refused" doc:"Rows that the database refuses to clear, by SQLSTATE and constraint"`
	Trouble    string           `json:"trouble,omitempty" doc:"Why it waits"`
	StartedAt  time.Time        `json:"started_at"`
	FinishedAt *time.Time       `json:"finished_at"`
}

// SweepState is where a day's sweep of a table stands.
type SweepState string

// The states of a sweep.
const (
	SweepFinished SweepState = "finished" // everything that was over is gone, but for what the database refuses
	SweepRunning  SweepState = "running"
	SweepWaiting  SweepState = "waiting" // somebody holds rows, or there was trouble; it is tried again
)

// Swept is what a round of sweeps did to a table, over all tenants.
type Swept struct {
	Table   string
	Rows    int64
	Refused map[string]int64 // by code
}

// RetentionStats is the state of one table's retention, over all tenants.
type RetentionStats struct {
	Table                                string
	Kept, Due, Overdue, Refused, Cleared int64
	SweepAge                             time.Duration // since the last finished sweep, of the tenant for whom that is longest ago
}
