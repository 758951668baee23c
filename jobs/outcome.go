package jobs

import "time"

// Outcome is what became of one client.
type Outcome string

// The outcomes. A client that has none yet is pending.
const (
	Erased         Outcome = "erased"
	ErasedRetained Outcome = "erased_retained" // gone, but for what the law keeps until a date
	Skipped        Outcome = "skipped"         // a guard held
	FailedOutcome  Outcome = "failed"          // the database refused this client for good
	NotFound       Outcome = "not_found"
)

// Outcomes lists the outcomes in the order in which reports show them.
func Outcomes() []Outcome {
	return []Outcome{Erased, ErasedRetained, Skipped, FailedOutcome, NotFound}
}

// The codes of exceptions that oubli itself gives; all others are the names of
// guards in the map, or "SQLSTATE:constraint" for a client that failed.
const (
	CodeRecentActivity   = "recent_activity"   // active since the cutoff of an erasure for inactivity
	CodeAnonymousProfile = "anonymous_profile" // the key of a tenant's anonymous profile, which is nobody
	CodeKeyReused        = "key_reused"        // a client created after the list of clients was made, who has got the key of one on it
	CodeNotFound         = "not_found"         // no such client in this tenant
	CodeRetained         = "retained"          // see [Exception.RetainedUntil]
)

// Counts says how many clients of a job met which outcome. Their sum is the
// number of clients requested, at every moment.
type Counts struct {
	Pending        int `json:"pending" doc:"Clients whose turn has not come"`
	Erased         int `json:"erased"`
	ErasedRetained int `json:"erased_retained" doc:"Erased, apart from what the law keeps until a date"`
	Skipped        int `json:"skipped" doc:"Left untouched because a guard held"`
	Failed         int `json:"failed" doc:"Left untouched because the database refused"`
	NotFound       int `json:"not_found" doc:"No such client in this tenant"`
}

// Total is the number of clients counted, pending ones included.
func (c Counts) Total() int { return c.Pending + c.Done() }

// Done is the number of clients that have an outcome.
func (c Counts) Done() int {
	return c.Erased + c.ErasedRetained + c.Skipped + c.Failed + c.NotFound
}

// Exceptions is the number of clients that were not erased.
func (c Counts) Exceptions() int { return c.Skipped + c.Failed + c.NotFound }

// Of is the number of clients with the outcome.
func (c Counts) Of(o Outcome) int {
	switch o {
	case Erased:
		return c.Erased
	case ErasedRetained:
		return c.ErasedRetained
	case Skipped:
		return c.Skipped
	case FailedOutcome:
		return c.Failed
	case NotFound:
		return c.NotFound
	}
	return 0
}

// Add counts n more clients with the outcome.
func (c *Counts) Add(o Outcome, n int) {
	switch o {
	case Erased:
		c.Erased += n
	case ErasedRetained:
		c.ErasedRetained += n
	case Skipped:
		c.Skipped += n
	case FailedOutcome:
		c.Failed += n
	case NotFound:
		c.NotFound += n
	}
}

// Exception is one client that is not plainly erased.
type Exception struct {
	ClientID      string  `json:"client_id"`
	Outcome       Outcome `json:"outcome" enum:"erased_retained,skipped,failed,not_found"`
	Code          string  `json:"code" doc:"The guard that held, recent_activity, key_reused, the database's SQLSTATE and constraint, not_found or retained"`
	RetainedUntil *Date   `json:"retained_until" doc:"Last day on which the law keeps something of this client"`
	// Detail says where something was found that was to be erased.
	Detail string `json:"detail,omitempty" doc:"With not_erased: the table, the column and the triggers and rules that run on it"`
}

// Date is a calendar day, without a time or a zone.
type Date struct{ time.Time }

// MarshalText writes the day as YYYY-MM-DD.
func (d Date) MarshalText() ([]byte, error) { return d.AppendFormat(nil, time.DateOnly), nil }

// MarshalJSON writes the day as a JSON string, YYYY-MM-DD.
func (d Date) MarshalJSON() ([]byte, error) {
	return d.AppendFormat(nil, `"`+time.DateOnly+`"`), nil
}

// UnmarshalText reads YYYY-MM-DD.
func (d *Date) UnmarshalText(b []byte) error {
	t, err := time.Parse(time.DateOnly, string(b))
	d.Time = t
	return err
}

// UnmarshalJSON reads a JSON string, YYYY-MM-DD.
func (d *Date) UnmarshalJSON(b []byte) error {
	t, err := time.Parse(`"`+time.DateOnly+`"`, string(b))
	d.Time = t
	return err
}

// String is the day as YYYY-MM-DD.
func (d Date) String() string { return d.Format(time.DateOnly) }
