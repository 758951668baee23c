package repository_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

func claimFirst(t *testing.T, s *repository.Store) *jobs.Claim {
	t.Helper()
	due, err := s.Dispatch(t.Context())
	if err != nil || len(due) == 0 {
		t.Fatalf("dispatch: %v, %v", due, err)
	}
	c, err := s.Claim(t.Context(), due[0].TaskID)
	if err != nil || c == nil {
		t.Fatalf("claim: %v, %v", c, err)
	}
	return c
}

func TestACancelledJobHasTrueCountsAndItsWorkerIsFencedOff(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	keys := db.Clients(t, 1, 150)
	j := accept(t, s, "1", keys)
	c := claimFirst(t, s)
	if _, err := s.EraseChunk(t.Context(), c, 40); err != nil {
		t.Fatal(err)
	}

	j, err := s.Cancel(t.Context(), jobs.Erasure, "1", j.ID)
	if err != nil {
		t.Fatal(err)
	}
	if j.State != jobs.Cancelled || j.Counts.Done() != 40 || j.Counts.Pending != 110 || j.FinishedAt == nil {
		t.Errorf("cancelled job: %+v", j)
	}
	if _, err := s.EraseChunk(t.Context(), c, 40); !errors.Is(err, jobs.ErrFenced) {
		t.Errorf("the worker went on after the cancel: %v", err)
	}
	if err := s.Release(t.Context(), c, 0, false, ""); err != nil {
		t.Error(err)
	}
	if n := len(db.Existing(t, keys)); n != 110+j.Counts.Skipped {
		t.Errorf("%d clients are left, want 110 pending and %d skipped", n, j.Counts.Skipped)
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE kind <> 'mail' AND state <> 'cancelled'"); n != 0 {
		t.Errorf("%d tasks are not cancelled", n)
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE kind = 'mail' AND letter->>'state' = 'cancelled'"); n != 1 {
		t.Errorf("%d mails tell of the cancel, want 1", n)
	}
	if _, err := s.Cancel(t.Context(), jobs.Erasure, "1", j.ID); jobs.KindOf(err) != jobs.Conflict {
		t.Errorf("a second cancel: %v, want a conflict", err)
	}
}

func TestAJobThatIsCancelledBeforeItsStartChangesNothing(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	keys := db.Clients(t, 1, 30)
	j := accept(t, s, "1", keys)
	if _, err := s.Cancel(t.Context(), jobs.Erasure, "2", j.ID); jobs.KindOf(err) != jobs.Missing {
		t.Errorf("another tenant's cancel: %v, want missing", err)
	}
	if _, err := s.Cancel(t.Context(), jobs.Erasure, "1", j.ID); err != nil {
		t.Fatal(err)
	}
	work(t, s, 10)
	if n := len(db.Existing(t, keys)); n != len(keys) {
		t.Errorf("%d of %d clients are left", n, len(keys))
	}
}

func TestAPausedJobStopsBetweenChunksAndContinuesWhereItStopped(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	keys := db.Clients(t, 1, 80)
	j := accept(t, s, "1", keys)
	c := claimFirst(t, s)
	if _, err := s.EraseChunk(t.Context(), c, 30); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pause(t.Context(), jobs.Erasure, "1", j.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.EraseChunk(t.Context(), c, 30); !errors.Is(err, jobs.ErrFenced) {
		t.Fatalf("the worker went on in a paused job: %v", err)
	}
	if err := s.Release(t.Context(), c, 0, false, ""); err != nil {
		t.Fatal(err)
	}
	if due, err := s.Dispatch(t.Context()); err != nil || len(due) != 0 {
		t.Errorf("a paused job was dispatched: %v, %v", due, err)
	}
	if got := job(t, s, j.ID); got.State != jobs.Paused || got.Counts.Done() != 30 {
		t.Errorf("paused job: %+v", got)
	}
	if _, err := s.Resume(t.Context(), jobs.Erasure, "1", j.ID); err != nil {
		t.Fatal(err)
	}
	work(t, s, 30)
	if got := job(t, s, j.ID); !got.State.Final() || got.Counts.Pending != 0 {
		t.Errorf("resumed job: %+v", got)
	}
}

func TestARetryTakesTheSkippedAndTheFailedAndIsMadeOnce(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	keys := db.Clients(t, 1, 60)
	db.Exec(t, "UPDATE clients SET legal_hold = id = ANY($1::text[]::bigint[])", keys[:7])
	db.Exec(t, "UPDATE clients SET balance_cents = 0")
	db.Exec(t, "UPDATE invoices SET status = 'paid' WHERE status = 'open'")
	db.Exec(t, "UPDATE appointments SET status = 'cancelled' WHERE status = 'booked'")
	j := accept(t, s, "1", keys)
	if _, err := s.Retry(t.Context(), "1", j.ID, jobs.Caller{Subject: "again"}); jobs.KindOf(err) != jobs.Conflict {
		t.Errorf("retrying an open job: %v, want a conflict", err)
	}
	work(t, s, 20)
	db.Exec(t, "UPDATE clients SET legal_hold = false")

	again, err := s.Retry(t.Context(), "1", j.ID, jobs.Caller{Subject: "again"})
	if err != nil || again.Requested != 7 || again.CreatedBy != "again" {
		t.Fatalf("retry: %+v, %v", again, err)
	}
	if twice, err := s.Retry(t.Context(), "1", j.ID, jobs.Caller{Subject: "again"}); err != nil || twice.ID != again.ID {
		t.Errorf("a second retry: %s, %v, want %s", twice.ID, err, again.ID)
	}
	work(t, s, 20)
	if got := job(t, s, again.ID); got.State != jobs.Completed {
		t.Errorf("retried job: %+v", got)
	}
	if _, err := s.Retry(t.Context(), "1", again.ID, jobs.Caller{}); jobs.KindOf(err) != jobs.Conflict {
		t.Errorf("nothing to retry: %v, want a conflict", err)
	}
}

// A standby and a database that an operator has made read-only answer every ping.
func TestAPingNamesADatabaseThatTakesNoWrites(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 10)
	s := open(t, db)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$`)
	err := open(t, db).Ping(t.Context())
	if jobs.KindOf(err) != jobs.Unavailable || !strings.Contains(err.Error(), "default_transaction_read_only is on") {
		t.Errorf("got %v, want the setting's name", err)
	}
}

func TestAJobThatIsPausedBeforeItsStartIsScheduledAgainWhenItIsResumed(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	keys := db.Clients(t, 1, 30)
	j := accept(t, s, "1", keys)
	paused, err := s.Pause(t.Context(), jobs.Erasure, "1", j.ID)
	if err != nil || paused.State != jobs.Paused || paused.StartedAt != nil {
		t.Fatalf("paused: %+v, %v", paused, err)
	}
	work(t, s, 10)
	if n := len(db.Existing(t, keys)); n != len(keys) {
		t.Errorf("%d of %d clients are left of a job that is paused", n, len(keys))
	}
	resumed, err := s.Resume(t.Context(), jobs.Erasure, "1", j.ID)
	if err != nil || resumed.State != jobs.Scheduled {
		t.Fatalf("resumed: %+v, %v", resumed, err)
	}
	work(t, s, 10)
	if got := job(t, s, j.ID); !got.State.Final() || got.StartedAt == nil || got.Counts.Pending != 0 {
		t.Errorf("after the resume: %+v", got)
	}
}

func TestABlockedJobThatIsPausedIsNotUnblockedBehindTheOperatorsBack(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	j := accept(t, s, "1", db.Clients(t, 1, 30))
	c := claimFirst(t, s)
	if err := s.Release(t.Context(), c, 0, false, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Block(t.Context(), j.ID, "a column is missing", 0); err != nil {
		t.Fatal(err)
	}
	paused, err := s.Pause(t.Context(), jobs.Erasure, "1", j.ID)
	if err != nil || paused.State != jobs.Paused || paused.BlockedReason != "" {
		t.Fatalf("paused: %+v, %v", paused, err)
	}
	if n, err := s.Unblock(t.Context()); err != nil || n != 0 {
		t.Errorf("unblocked %d jobs, %v", n, err)
	}
	if got, err := s.Resume(t.Context(), jobs.Erasure, "1", j.ID); err != nil || got.State != jobs.Running {
		t.Errorf("resumed: %+v, %v", got, err)
	}
}
