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
}
