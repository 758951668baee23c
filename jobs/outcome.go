package jobs

import "time"

// Outcome is what became of one client.
type Outcome string

// The outcomes. A client that has none yet is pending.
const (
	Erased         Outcome = "erased"
	ErasedRetained Outcome = "erased_retained" // erased, except for data that the law keeps until a date
	Skipped        Outcome = "skipped"         // a guard protects the client
	FailedOutcome  Outcome = "failed"          // the client could not be erased, after several attempts
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
	CodeAnonymousProfile = "anonymous_profile" // the key belongs to an anonymous profile, which is no person
	CodeKeyReused        = "key_reused"        // the client with this key was created after the list of clients was made
	CodeNotFound         = "not_found"         // no such client in this tenant
	CodeRetained         = "retained"          // see [Exception.RetainedUntil]
)

// Counts is the number of clients of a job by outcome. The sum is always the
// number of clients requested.
type Counts struct {
	Pending        int `json:"pending" doc:"Clients that have no outcome yet"`
	Erased         int `json:"erased"`
	ErasedRetained int `json:"erased_retained" doc:"Erased, except for data that the law keeps until a date"`
	Skipped        int `json:"skipped" doc:"Not changed, because a guard protects the client"`
	Failed         int `json:"failed" doc:"Not changed, because the database refused the erasure"`
	NotFound       int `json:"not_found" doc:"No such client in this tenant"`
}

// Total returns the number of clients, pending ones included.
func (c Counts) Total() int { return c.Pending + c.Done() }

// Done returns the number of clients that have an outcome.
func (c Counts) Done() int {
	return c.Erased + c.ErasedRetained + c.Skipped + c.Failed + c.NotFound
}

// Exceptions returns the number of clients that were not erased.
func (c Counts) Exceptions() int { return c.Skipped + c.Failed + c.NotFound }

// Of returns the number of clients with the outcome.
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

// Exception is one client whose outcome is other than erased.
type Exception struct {
	ClientID      string  `json:"client_id" doc:"Empty once the keys of the job were removed, because they are personal"`
	Outcome       Outcome `json:"outcome" enum:"erased_retained,skipped,failed,not_found"`
	Code          string  `json:"code" doc:"The reason: the name of a guard, recent_activity, anonymous_profile, key_reused, not_found, retained, not_erased, or SQLSTATE and constraint of a database error"`
	RetainedUntil *Date   `json:"retained_until" doc:"Last day on which data of this client is kept by law"`
	// Detail says where data was found that should have been erased.
	Detail string `json:"detail,omitempty" doc:"With not_erased: the table, the column and the triggers and rules that run on it"`
}

// Date is a calendar day, without a time or a zone.
type Date struct{ time.Time }

// MarshalText returns the day as YYYY-MM-DD.
func (d Date) MarshalText() ([]byte, error) { return d.AppendFormat(nil, time.DateOnly), nil }

// MarshalJSON returns the day as a JSON string, YYYY-MM-DD.
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

// String returns the day as YYYY-MM-DD.
func (d Date) String() string { return d.Format(time.DateOnly) }
