package jobs

import "time"

// Job is an erasure or a merge as its readers see it. It names no client. A
// client that a merge has merged counts as erased.
type Job struct {
	ID            string           `json:"id" format:"uuid"`
	TenantID      string           `json:"tenant_id"`
	State         State            `json:"state" enum:"scheduled,running,paused,blocked,completed,completed_with_exceptions,failed,cancelled"`
	BlockedReason string           `json:"blocked_reason,omitempty" doc:"What the map does not know, while state is blocked"`
	WaitingFor    string           `json:"waiting_for,omitempty" doc:"What holds the workers up for the moment, such as replicas that lag behind"`
	Reason        Reason           `json:"reason" enum:"inactivity,subject_request"`
	DryRun        bool             `json:"dry_run" doc:"Every change was taken back: counts and rows say what an erasure would do"`
	Requested     int              `json:"requested" doc:"Clients of this job; always the sum of counts"`
	Counts        Counts           `json:"counts"`
	Exceptions    map[string]int   `json:"exceptions" doc:"Clients by the code of their exception"`
	Rows          map[string]int64 `json:"rows" doc:"Rows deleted or changed, by table"`
	RetainedUntil *Date            `json:"retained_until,omitempty" doc:"Last day on which the law keeps something of any of these clients"`
	CreatedAt     time.Time        `json:"created_at"`
	NotBefore     *time.Time       `json:"not_before,omitempty" doc:"Start of the work, when it was delayed"`
	StartedAt     *time.Time       `json:"started_at"`
	FinishedAt    *time.Time       `json:"finished_at"`
	Mail          MailStatus       `json:"mail"`
	Residue       *Residue         `json:"residue,omitempty" doc:"How far what was erased has left the disk; missing until the job has ended, and when nobody was erased"`
	LateRows      *LateReport      `json:"late_rows,omitempty" doc:"The search for rows that were written about clients after these were erased; missing when there is nothing to say"`
	Comment       string           `json:"comment"`
	CreatedBy     string           `json:"created_by"`

	Merge *MergeTerms `json:"-"` // of a merge, without its target
}

// MailState is where the mail about a job stands.
type MailState string

// The states of a job's mail, over all of its recipients.
const (
	MailNone    MailState = "none"    // nobody to notify
	MailWaiting MailState = "waiting" // the job has not ended
	MailPending MailState = "pending" // due; trouble is retried
	MailSent    MailState = "sent"    // the recipients' server has accepted all of them
	MailFailed  MailState = "failed"  // refused for good for at least one recipient
)

// MailStatus says how far the mail has come.
type MailStatus struct {
	State    MailState `json:"state" enum:"none,waiting,pending,sent,failed"`
	Attempts int       `json:"attempts" doc:"Deliveries tried, over all recipients"`
}

// Report is the content of the mail about a job. It is frozen when the job
// ends, so that every attempt to deliver it says the same. It names no client.
type Report struct {
	JobID         string         `json:"job_id"`
	Kind          Kind           `json:"kind"`
	State         State          `json:"state"`
	Locale        string         `json:"locale"` // as asked for or the tenant's; the mailer falls back to English
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
// attempt: a repeat is recognised by the Message-ID made from it.
type ReportMail struct {
	ID string
	To string
	Report
}
