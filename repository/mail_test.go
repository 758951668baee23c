package repository_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// claimMail ends a job without clients and claims its mail.
func claimMail(t *testing.T, s *repository.Store) (jobs.Job, *jobs.Claim) {
	t.Helper()
	j := accept(t, s, "1", nil)
	c := claimFirst(t, s)
	if c.Kind != jobs.MailTask || c.Mail.To != "admin@studio.example" || c.Mail.JobID != j.ID || c.Mail.State != jobs.Completed {
		t.Fatalf("claim: %+v", c)
	}
	return j, c
}

// cut ends the store's connections, as a failover would.
func cut(t *testing.T, db *bookingdb.DB) {
	t.Helper()
	db.Exec(t, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'oubli'`)
}

func mailOf(t *testing.T, s *repository.Store, j jobs.Job) jobs.MailStatus {
	t.Helper()
	return job(t, s, j.ID).Mail
}

func TestAMailIsRecordedAlthoughItsConnectionDiesAroundTheSending(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"mail:before", "mail:sent"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			db := bookingdb.New(t, 100)
			s := open(t, db, func(o *repository.Options) {
				o.Failpoint = func(name string) {
					if name == place {
						cut(t, db)
					}
				}
			})
			j, c := claimMail(t, s)
			sent := 0
			if err := s.Deliver(t.Context(), c, func(context.Context) error { sent++; return nil }); err != nil {
				t.Fatal(err)
			}
			if got := mailOf(t, s, j); got.State != jobs.MailSent || got.Attempts != 1 || sent != 1 {
				t.Errorf("mail %+v, sent %d times", got, sent)
			}
			if due := dispatch(t, s); len(due) != 0 {
				t.Errorf("the mail is due again: %+v", due)
			}
		})
	}
}

func TestAMailIsSentOnlyByTheWorkerThatClaimedIt(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	j, first := claimMail(t, s)
	expire(t, db)
	if n, err := s.Recover(t.Context()); n != 1 || err != nil {
		t.Fatalf("recover: %d, %v", n, err)
	}
	second := mustClaim(t, s, first.TaskID)
	if second.Mail.ID != first.Mail.ID {
		t.Errorf("the repeat is letter %s, the first try was %s", second.Mail.ID, first.Mail.ID)
	}
	sent := 0
	send := func(context.Context) error { sent++; return nil }
	fenced(t, "the first holder's mail", s.Deliver(t.Context(), first, send))
	if err := s.GiveUp(t.Context(), first, "late"); err != nil {
		t.Error(err)
	}
	if err := s.Deliver(t.Context(), second, send); err != nil {
		t.Fatal(err)
	}
	fenced(t, "the same mail again", s.Deliver(t.Context(), second, send))
	if got := mailOf(t, s, j); got.State != jobs.MailSent || sent != 1 {
		t.Errorf("mail %+v, sent %d times", got, sent)
	}
}

// While the dialogue lasts, the mail is nobody else's, whatever the lease says.
func TestAMailThatIsBeingSentIsNotGivenBack(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	_, c := claimMail(t, s)
	expire(t, db)
	err := s.Deliver(t.Context(), c, func(context.Context) error {
		if n, err := s.Recover(t.Context()); n != 0 || err != nil {
			t.Errorf("recover: %d, %v", n, err)
		}
		if other, err := s.Claim(t.Context(), c.TaskID); other != nil || err != nil {
			t.Errorf("claim: %v, %v", other, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAMailThatWasNotSentIsNotRecorded(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	j, c := claimMail(t, s)
	refused := &jobs.Error{Kind: jobs.Unavailable, Code: "smtp_451", Msg: "later", Err: context.Canceled}
	err := s.Deliver(t.Context(), c, func(context.Context) error { return refused })
	if e, ok := errors.AsType[*jobs.Error](err); !ok || e != refused {
		t.Fatalf("got %v, want the sender's own error", err)
	}
	idle(t, db)
	if err := s.Release(t.Context(), c, time.Hour, true, "smtp_451"); err != nil {
		t.Fatal(err)
	}
	if due := dispatch(t, s); len(due) != 0 {
		t.Errorf("due within the hour: %+v", due)
	}
	db.Exec(t, "UPDATE oubli.tasks SET run_at = now()")
	again := claimFirst(t, s)
	if again.Failures != 1 || again.Attempt != 2 || mailOf(t, s, j).State != jobs.MailPending {
		t.Errorf("second claim %+v, mail %+v", again, mailOf(t, s, j))
	}
	if err := s.GiveUp(t.Context(), again, "smtp_550"); err != nil {
		t.Fatal(err)
	}
	if got := job(t, s, j.ID); got.Mail.State != jobs.MailFailed || got.Mail.Attempts != 2 || got.State != jobs.Completed {
		t.Errorf("job %+v", got)
	}
}

// A process that is stopped between the statements of a transaction must not
// hold the rows for as long as it is stopped.
func TestAStoppedProcessGivesItsLocksBackWithTheLease(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	at := newPausePoint("chunk:erased")
	s := open(t, db, func(o *repository.Options) { o.Lease, o.MailLease, o.Failpoint = time.Second, time.Second, at.pass })
	keys := db.Clients(t, 1, 10)
	j := accept(t, s, "1", keys)
	stopped := claimFirst(t, s)
	done := make(chan error, 1)
	go func() {
		_, err := s.EraseChunk(t.Context(), stopped, 10)
		done <- err
	}()
	<-at.reached
	bookingdb.Wait(t, "the recovery", func() bool {
		n, err := s.Recover(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n == 1
	})
	work(t, s, 10)
	close(at.goOn)
	if err := <-done; jobs.KindOf(err) != jobs.Unavailable {
		t.Errorf("the stopped process went on with %v, want a broken connection", err)
	}
	if got := job(t, s, j.ID); !got.State.Final() || got.Counts.NotFound != 0 {
		t.Errorf("job %+v", got)
	}
}
