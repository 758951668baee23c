package jobs

import "time"

// Stats says how much work there is and where it stands, over all tenants. It
// names nobody.
type Stats struct {
	Jobs       map[State]int
	Clients    map[Outcome]int64
	Tasks      map[TaskKind]map[TaskState]int
	Mails      map[MailState]int
	OldestOpen time.Duration // age of the oldest job that has not ended; 0 without one
	OldestDue  time.Duration // that the oldest batch that could run has waited for a worker; 0 without one
	OldestMail time.Duration // that the oldest mail has waited to be accepted; 0 without one
	// StaleViews says of materialized views for how long they may have shown what
	// was erased.
	StaleViews map[string]time.Duration
	// Blocked counts blocked jobs by their reason, which names a table and a
	// column and never a value. A few of the reasons, if there are many.
	Blocked map[string]int
	// LateClients counts erased clients about whom rows were written later that the
	// database refuses to erase.
	LateClients int
}
