package jobs

import "time"

// MergeJob is a merge as its readers see it. It names no client.
type MergeJob struct {
	ID            string           `json:"id" format:"uuid"`
	TenantID      string           `json:"tenant_id"`
	State         State            `json:"state" enum:"scheduled,running,paused,blocked,completed,completed_with_exceptions,failed,cancelled"`
	BlockedReason string           `json:"blocked_reason,omitempty" doc:"What the map does not know, while state is blocked"`
	WaitingFor    string           `json:"waiting_for,omitempty" doc:"What holds the workers up for the moment, such as replicas that lag behind"`
	Anonymous     bool             `json:"anonymous" doc:"The tenant's anonymous profile takes over, and not another client"`
	DeleteSource  bool             `json:"delete_source" doc:"The sources are deleted once they are merged"`
	FillBlanks    bool             `json:"fill_blanks" doc:"The target takes over what it lacks; never the anonymous profile"`
	Conflicts     ConflictRule     `json:"conflicts" enum:"fail,keep_target"`
	DryRun        bool             `json:"dry_run" doc:"Every change was taken back: counts, rows and conflicting say what a merge would do"`
	Requested     int              `json:"requested" doc:"Sources of this job; always the sum of counts"`
	Counts        MergeCounts      `json:"counts"`
	Exceptions    map[string]int   `json:"exceptions" doc:"Sources that were not merged, by the code of the reason"`
	Conflicting   map[string]int64 `json:"conflicting" doc:"Rows of which the target had the like already, or that carry value and would have been lost, by table"`
	Rows          map[string]int64 `json:"rows" doc:"Rows moved, changed or deleted, by table"`
	RetainedUntil *Date            `json:"retained_until,omitempty" doc:"Last day on which the law keeps something of any source that went into the anonymous profile"`
	CreatedAt     time.Time        `json:"created_at"`
	NotBefore     *time.Time       `json:"not_before,omitempty" doc:"Start of the work, when it was delayed"`
	StartedAt     *time.Time       `json:"started_at"`
	FinishedAt    *time.Time       `json:"finished_at"`
	Mail          MailStatus       `json:"mail"`
	Residue       *Residue         `json:"residue,omitempty" doc:"How far what the sources lost has left the disk; missing until the job has ended, and when nobody was merged"`
	LateRows      *LateReport      `json:"late_rows,omitempty" doc:"The search for rows that were written about sources after these were merged; missing when there is nothing to say"`
	Comment       string           `json:"comment"`
	CreatedBy     string           `json:"created_by"`
}

// MergeCounts says how many sources of a merge met which outcome. Their sum is
// the number of sources requested, at every moment.
type MergeCounts struct {
	Pending        int `json:"pending" doc:"Sources whose turn has not come"`
	Merged         int `json:"merged"`
	MergedRetained int `json:"merged_retained" doc:"Merged into the anonymous profile, apart from what the law keeps until a date"`
	Skipped        int `json:"skipped" doc:"Left untouched because a guard held"`
	Failed         int `json:"failed" doc:"Left untouched because of a conflict, a target that is gone, or the database's refusal"`
	NotFound       int `json:"not_found" doc:"Gone before their turn came"`
}

// AsMerge is the job as its readers see it when it is a merge.
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

// Job is the merge as a job, for lists of both kinds.
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
