package jobs

import "time"

// Law is the data of a tenant that decides how long the law keeps its records.
type Law struct {
	Country       string // ISO 3166
	FiscalYearEnd string // as in the tenant's row; empty: the calendar year
	TimeZone      string // empty: unknown
	Today         Date   // in the tenant's time zone; if that is unknown, the latest day that has begun in all time zones
}

// Retention counts the rows of a tenant's erased clients that the law keeps, and
// those that sweeps have cleared. It names no client.
type Retention struct {
	TenantID string  `json:"tenant_id"`
	Kept     []Kept  `json:"kept" doc:"By rule and table; empty as long as no client of this tenant was erased"`
	Sweeps   []Sweep `json:"sweeps" doc:"The latest, newest first"`
}

// Kept counts the rows of one table that one rule keeps, at the last count.
type Kept struct {
	Rule      string     `json:"rule" doc:"Name of the rule in the map's section retention"`
	Table     string     `json:"table"`
	Rows      int64      `json:"rows" doc:"Number of rows with retained columns, including those that are due"`
	Years     []KeptYear `json:"years" doc:"Number of rows that the law still keeps, by the year in which their period ends; in order"`
	Due       int64      `json:"due" doc:"Number of rows that the law no longer keeps and that no sweep has cleared yet"`
	Overdue   int64      `json:"overdue" doc:"Number of due rows that should have been cleared before the end of yesterday"`
	Refused   int64      `json:"refused" doc:"Number of due rows that the database refuses to clear: see sweeps"`
	Cleared   int64      `json:"cleared" doc:"Number of rows that all sweeps so far have cleared"`
	CountedAt time.Time  `json:"counted_at"`
}

// KeptYear counts the rows whose retention period ends in one year.
type KeptYear struct {
	Year int   `json:"year" doc:"Year of the last day on which the law keeps the rows. They are cleared on the day after"`
	Rows int64 `json:"rows"`
}

// Sweep is the result of one day's sweep of one table.
type Sweep struct {
	Table      string           `json:"table"`
	Day        Date             `json:"day" doc:"Date in the tenant's time zone"`
	State      SweepState       `json:"state" enum:"finished,running,waiting"`
	Rows       int64            `json:"rows" doc:"Number of rows whose retained columns were cleared"`
	Refused    map[string]int64 `json:"refused" doc:"Number of rows that the database refuses to clear, by SQLSTATE and constraint"`
	Trouble    string           `json:"trouble,omitempty" doc:"Why the sweep is waiting"`
	StartedAt  time.Time        `json:"started_at"`
	FinishedAt *time.Time       `json:"finished_at"`
}

// SweepState is the state of a day's sweep of a table.
type SweepState string

// The states of a sweep.
const (
	SweepFinished SweepState = "finished" // every due row is cleared, except those that the database refuses to clear
	SweepRunning  SweepState = "running"
	SweepWaiting  SweepState = "waiting" // other sessions lock rows, or an error happened; it is tried again
)

// Swept is the result of one round of sweeps of a table, over all tenants.
type Swept struct {
	Table   string
	Rows    int64
	Refused map[string]int64 // by code
}

// RetentionStats counts the retained rows of one table, over all tenants.
type RetentionStats struct {
	Table                                string
	Kept, Due, Overdue, Refused, Cleared int64
	SweepAge                             time.Duration // time since the last finished sweep, of the tenant whose last one is the oldest
}
