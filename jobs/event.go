package jobs

// Event is something that happens to tasks, hints, jobs, clients or mails, and
// that a metric counts.
type Event string

// The events. A single one is no reason to act; a rising rate is.
const (
	HintSent     Event = "hint_sent"     // a hint was enqueued in Redis
	HintResent   Event = "hint_resent"   // a hint was missing in Redis and will be sent again
	LeaseExpired Event = "lease_expired" // a task was given back because its lease ran out
	FenceLost    Event = "fence_lost"    // a worker found that another has claimed its task, or that the job was stopped
	JobBlocked   Event = "job_blocked"   // the map does not cover the schema, or an operator has to fix something else
	JobUnblocked Event = "job_unblocked" // a blocked job continues
	ClientFailed Event = "client_failed" // a client got the outcome failed; its exception has the code
	MailRetried  Event = "mail_retried"  // a mail could not be sent and will be tried again

	WebhookRetried Event = "webhook_retried" // an event could not be delivered to OUBLI_EVENTS_URL and will be tried again
)

// Events lists every event.
func Events() []Event {
	return []Event{HintSent, HintResent, LeaseExpired, FenceLost, JobBlocked, JobUnblocked, ClientFailed, MailRetried, WebhookRetried}
}
