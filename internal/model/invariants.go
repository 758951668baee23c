package model

import "github.com/oubli/oubli/jobs"

// The names of violations.
const (
	SharedProfile = "two transactions of running tasks use one anonymous profile"
	TenantNotHeld = "a merge or a second look runs beside other work on its tenant"
	StaleCommit   = "a claim that is not the latest commits a chunk"
	ErasedTwice   = "one client is erased twice"
	WrongOutcome  = "an outcome is not what became of the client"
	WrongSum      = "the outcomes of a task do not add up to its position"
	EndedTwice    = "a job ends twice"
	EndedEarly    = "a job has ended although a task of it is open"
	NotEnded      = "a job has not ended although none of its tasks is open"
	IllegalEnd    = "a job ends from a state that does not allow it"
	MailedTwice   = "a job has two mails for one recipient"
	MailTooMany   = "a mail was sent again although no fault could have lost the record of the first"
	MailEarly     = "a mail reports the end of a job that has not ended"
	MailWrong     = "a mail has other figures than the database"
	CannotEnd     = "the jobs cannot end any more, even without another fault"
)

// violated returns an invariant that does not hold in a state; "" when all hold.
func (r *run) violated(s *state) string {
	for _, check := range []func(*state) string{r.profilesKeptApart, r.outcomesAreTrue, r.jobsEndWithTheirTasks, r.mailsAreTrue} {
		if broken := check(s); broken != "" {
			return broken
		}
	}
	return ""
}

func (r *run) profilesKeptApart(s *state) (broken string) {
	var open [maxWorkers + maxOrphans]*worker
	n := 0
	s.transactions(func(w *worker) {
		if !w.usesProfiles() {
			return
		}
		for _, o := range open[:n] {
			if r.profilesOf(o) != r.profilesOf(w) {
				continue
			}
			if r.slots(o)&r.slots(w) != 0 {
				broken = SharedProfile
			} else if r.exclusive(o) || r.exclusive(w) {
				broken = TenantNotHeld
			}
		}
		open[n] = w
		n++
	})
	return broken
}

func (r *run) outcomesAreTrue(s *state) string {
	for t, f := range r.tasks {
		row := &s.db.tasks[t]
		if row.erased+row.notFound != row.position {
			return WrongSum
		}
		erased := uint8(0)
		for i, client := range row.keys[:f.keys] {
			switch mine := s.db.erased[client] == uint8(1+t); {
			case mine && i >= int(row.position):
				return WrongOutcome // erased, but still pending
			case mine:
				erased++
			}
		}
		if erased != row.erased {
			return WrongOutcome
		}
	}
	return ""
}

func (r *run) jobsEndWithTheirTasks(s *state) string {
	for j := range r.Jobs {
		row, open := &s.db.jobs[j], false
		for _, t := range r.tasksOf(uint8(j)) {
			open = open || s.db.tasks[t].state.open()
		}
		switch {
		case row.ends > 1:
			return EndedTwice
		case row.state.final() && open:
			return EndedEarly
		case !row.state.final() && !open:
			return NotEnded
		}
	}
	return ""
}

func (r *run) mailsAreTrue(s *state) string {
	for t, f := range r.tasks {
		if f.kind != jobs.MailTask || s.sent[t] == 0 {
			continue
		}
		switch {
		case !s.db.jobs[f.job].state.final():
			return MailEarly
		case int(s.mailed[t]) != r.counts(&s.db, f.job).Erased:
			return MailWrong
		case s.sent[t] > 1+s.excused[t]:
			return MailTooMany
		}
	}
	return ""
}

// ended reports whether everything is done: the jobs have ended, their mails are
// sent, and their second looks are done.
func (r *run) ended(s *state) bool {
	for j := range r.Jobs {
		if !s.db.jobs[j].state.final() || s.db.jobs[j].look {
			return false
		}
	}
	for t, f := range r.tasks {
		if f.kind == jobs.MailTask && s.db.tasks[t].state != taskDone {
			return false
		}
	}
	return true
}
