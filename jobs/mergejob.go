package jobs

import "time"

// MergeJob is a merge, as the API shows it. It names no client.
type MergeJob struct {
	ID            string           `json:"id" format:"uuid"`
	TenantID      string           `json:"tenant_id"`
	State         State            `json:"state" enum:"scheduled,running,paused,blocked,completed,completed_with_exceptions,failed,cancelled"`
	BlockedReason string           `json:"blocked_reason,omitempty" doc:"While state is blocked: the table and column that the map does not cover, or what else an operator has to fix"`
	WaitingFor    string           `json:"waiting_for,omitempty" doc:"Why the workers are waiting at the moment, for example because a replica lags"`
	Anonymous     bool             `json:"anonymous" doc:"The target is the tenant's anonymous profile, not a client"`
	DeleteSource  bool             `json:"delete_source" doc:"The sources are deleted after they are merged"`
	FillBlanks    bool             `json:"fill_blanks" doc:"Values of the sources are copied into blank fields of the target; always false for the anonymous profile"`
	Conflicts     ConflictRule     `json:"conflicts" enum:"fail,keep_target"`
	DryRun        bool             `json:"dry_run" doc:"Every change is rolled back: counts, rows and conflicting say what a merge would do"`
	Requested     int              `json:"requested" doc:"Number of sources of this job; always the sum of counts"`
	Counts        MergeCounts      `json:"counts"`
	Exceptions    map[string]int   `json:"exceptions" doc:"Number of sources that were not merged, by the code of the reason"`
	Conflicting   map[string]int64 `json:"conflicting" doc:"Number of conflicting rows by table: a unique constraint does not allow the target to have them too, or they carry value and would have been deleted"`
	Rows          map[string]int64 `json:"rows" doc:"Number of rows moved, changed or deleted, by table"`
	RetainedUntil *Date            `json:"retained_until,omitempty" doc:"Last day on which data of any source that was merged into the anonymous profile is kept by law"`
	CreatedAt     time.Time        `json:"created_at"`
	NotBefore     *time.Time       `json:"not_before,omitempty" doc:"Time before which the job does not start, if its start was delayed"`
	StartedAt     *time.Time       `json:"started_at"`
	FinishedAt    *time.Time       `json:"finished_at"`
	Mail          MailStatus       `json:"mail"`
	Residue       *Residue         `json:"residue,omitempty" doc:"How far the old values of the sources are removed from the database's files; absent until the job has ended, and if no source was merged"`
	LateRows      *LateReport      `json:"late_rows,omitempty" doc:"The search for rows that were written about sources after these were merged; absent if the search has ended and the database refused nothing"`
	Comment       string           `json:"comment"`
	CreatedBy     string           `json:"created_by"`
}

// MergeCounts is the number of sources of a merge by outcome. The sum is always
// the number of sources requested.
type MergeCounts struct {
	Pending        int `json:"pending" doc:"Sources that have no outcome yet"`
	Merged         int `json:"merged"`
	MergedRetained int `json:"merged_retained" doc:"Merged into the anonymous profile, except for data that the law keeps until a date"`
	Skipped        int `json:"skipped" doc:"Not changed, because a guard protects the source"`
	Failed         int `json:"failed" doc:"Not changed, because of a conflict, a missing target, or an error of the database"`
	NotFound       int `json:"not_found" doc:"Already gone when the merge came to them"`
}

// AsMerge returns a job that is a merge as a MergeJob.
func (j Job) AsMerge() MergeJob {
	m := MergeJob{
		ID: j.ID, TenantID: j.TenantID, State: j.State, BlockedReason: j.BlockedReason, WaitingFor: j.WaitingFor,
		DryRun: j.DryRun, Requested: j.Requested,
		Counts: MergeCounts{Pending: j.Counts.Pending, Merged: j.Counts.Erased, MergedRetained: j.Counts.ErasedRetained,
			Skipped: j.Counts.Skipped, Failed: j.Counts.Failed, NotFound: j.Counts.NotFound},
		Exceptions: j.Exceptions, Rows: j.Rows, RetainedUntil: j.RetainedUntil, CreatedAt: j.CreatedAt, NotBefore: j.NotBefore,
		StartedAt: j.StartedAt, FinishedAt: j.FinishedAt, Mail: j.Mail,
		Residue: j.Residue, LateRows: j.LateRows, Comment: j.Comment, CreatedBy: j.CreatedBy,
	}
	if t := j.Merge; t != nil {
		m.Anonymous, m.DeleteSource, m.FillBlanks, m.Conflicts, m.Conflicting = t.Anonymous, t.DeleteSource, t.FillBlanks, t.Conflicts, t.Found
	}
	return m
}

// Job returns the merge as a Job, for lists of both kinds.
func (m MergeJob) Job() Job {
	return Job{
		ID: m.ID, TenantID: m.TenantID, State: m.State, BlockedReason: m.BlockedReason, WaitingFor: m.WaitingFor,
		DryRun: m.DryRun, Requested: m.Requested,
		Counts: Counts{Pending: m.Counts.Pending, Erased: m.Counts.Merged, ErasedRetained: m.Counts.MergedRetained,
			Skipped: m.Counts.Skipped, Failed: m.Counts.Failed, NotFound: m.Counts.NotFound},
		Exceptions: m.Exceptions, Rows: m.Rows, RetainedUntil: m.RetainedUntil, CreatedAt: m.CreatedAt, NotBefore: m.NotBefore,
		StartedAt: m.StartedAt, FinishedAt: m.FinishedAt, Mail: m.Mail,
		Residue: m.Residue, LateRows: m.LateRows, Comment: m.Comment, CreatedBy: m.CreatedBy,
		Merge: &MergeTerms{
			Anonymous:    m.Anonymous,
			DeleteSource: m.DeleteSource,
			FillBlanks:   m.FillBlanks,
			Conflicts:    m.Conflicts,
			Found:        m.Conflicting,
		},
	}
}
