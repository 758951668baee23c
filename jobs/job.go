package jobs

import "time"

// Job is an erasure or a merge, as the API shows it. It names no client. A
// client that was merged counts as erased.
type Job struct {
	ID            string           `json:"id" format:"uuid"`
	TenantID      string           `json:"tenant_id"`
	State         State            `json:"state" enum:"scheduled,running,paused,blocked,completed,completed_with_exceptions,failed,cancelled"`
	BlockedReason string           `json:"blocked_reason,omitempty" doc:"While state is blocked: the table and column that the map does not cover, or what else an operator has to fix"`
	WaitingFor    string           `json:"waiting_for,omitempty" doc:"Why the workers are waiting at the moment, for example because a replica lags"`
	Reason        Reason           `json:"reason" enum:"inactivity,subject_request,replay"`
	DryRun        bool             `json:"dry_run" doc:"Every change is rolled back: counts and rows say what an erasure would do"`
	Requested     int              `json:"requested" doc:"Number of clients of this job; always the sum of counts"`
	Counts        Counts           `json:"counts"`
	Exceptions    map[string]int   `json:"exceptions" doc:"Number of clients by the code of their exception"`
	Rows          map[string]int64 `json:"rows" doc:"Number of rows deleted or changed, by table"`
	RetainedUntil *Date            `json:"retained_until,omitempty" doc:"Last day on which data of any of these clients is kept by law"`
	CreatedAt     time.Time        `json:"created_at"`
	NotBefore     *time.Time       `json:"not_before,omitempty" doc:"Time before which the job does not start, if its start was delayed"`
	StartedAt     *time.Time       `json:"started_at"`
	FinishedAt    *time.Time       `json:"finished_at"`
	Mail          MailStatus       `json:"mail"`
	Residue       *Residue         `json:"residue,omitempty" doc:"How far the erased values are removed from the database's files; absent until the job has ended, and if no client was erased"`
	LateRows      *LateReport      `json:"late_rows,omitempty" doc:"The search for rows that were written about clients after these were erased; absent if the search has ended and the database refused nothing"`
	Comment       string           `json:"comment"`
	CreatedBy     string           `json:"created_by"`

	Merge *MergeTerms `json:"-"` // for a merge only, and without its target
}

// MailState is the state of a job's mail.
type MailState string

// The states of a job's mail, over all of its recipients.
const (
	MailNone    MailState = "none"    // the job has no recipients
	MailWaiting MailState = "waiting" // the job has not ended
	MailPending MailState = "pending" // the mail is due; temporary errors are retried
	MailSent    MailState = "sent"    // the mail server has accepted the mail for every recipient
	MailFailed  MailState = "failed"  // the mail to at least one recipient cannot be delivered
)

// MailStatus is the state of a job's mail with the number of attempts.
type MailStatus struct {
	State    MailState `json:"state" enum:"none,waiting,pending,sent,failed"`
	Attempts int       `json:"attempts" doc:"Number of attempts to deliver, over all recipients"`
}

// Report is the content of the mail about a job. It is stored when the job
// ends, so that every attempt sends the same content. It names no client.
type Report struct {
	JobID         string         `json:"job_id"`
	Kind          Kind           `json:"kind"`
	State         State          `json:"state"`
	Locale        string         `json:"locale"` // of the request, else the tenant's; the mailer falls back to English
	Requested     int            `json:"requested"`
	Counts        Counts         `json:"counts"`
	Exceptions    map[string]int `json:"exceptions"`
	RetainedUntil *Date          `json:"retained_until,omitempty"`
	LateRows      *LateReport    `json:"late_rows,omitempty"` // added when the first look has ended
	CreatedAt     time.Time      `json:"created_at"`
	StartedAt     *time.Time     `json:"started_at,omitempty"`
	FinishedAt    time.Time      `json:"finished_at"`
}

// ReportMail is the report of a job to one recipient. ID is the same for every
// attempt, and the Message-ID is made from it, so that a mail server can
// recognise a repeat.
type ReportMail struct {
	ID string
	To string
	Report
}
