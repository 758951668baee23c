package jobs

import "time"

// Stats counts jobs, clients, tasks and mails by state, over all tenants. It
// names no client.
type Stats struct {
	Jobs       map[State]int
	Clients    map[Outcome]int64
	Tasks      map[TaskKind]map[TaskState]int
	Mails      map[MailState]int
	OldestOpen time.Duration // age of the oldest job that has not ended; 0 if there is none
	OldestDue  time.Duration // how long the oldest batch that is due has waited for a worker; 0 if there is none
	OldestMail time.Duration // how long the oldest mail has not been accepted by the mail server; 0 if there is none
	// StaleViews is, by materialized view, for how long the view may have contained
	// erased data.
	StaleViews map[string]time.Duration
	// Blocked counts blocked jobs by their reason, which names a table and a
	// column and never a value. If there are many reasons, it has a few of them.
	Blocked map[string]int
	// LateClients counts erased clients about whom rows were written later that the
	// database refuses to erase.
	LateClients int
	// Residues counts jobs by the name of the level that they have reached, and
	// Unmixed those of which something keeps the rows from being mixed.
	Residues map[string]int
	Unmixed  int
}
