package jobs

// Event is something that happens to tasks and hints and that operators count.
type Event string

// The events. None of them harms a job by itself; a rate that rises says where
// to look.
const (
	HintSent     Event = "hint_sent"     // a hint was enqueued in Redis
	HintResent   Event = "hint_resent"   // a hint that was gone from Redis will be sent again
	LeaseExpired Event = "lease_expired" // a task was given back because its lease ran out
	FenceLost    Event = "fence_lost"    // a worker found its task taken by another, or its job stopped
	JobBlocked   Event = "job_blocked"   // the schema outgrew the map, or only an operator can tell
	JobUnblocked Event = "job_unblocked" // the map covers the schema again
	ClientFailed Event = "client_failed" // a client was given up, with an exception that names the code
	MailRetried  Event = "mail_retried"  // a mail server was not ready, or not reached
)

// Events lists every event.
func Events() []Event {
	return []Event{HintSent, HintResent, LeaseExpired, FenceLost, JobBlocked, JobUnblocked, ClientFailed, MailRetried}
}
