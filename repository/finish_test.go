package repository_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// TestTheTwoLastBatchesMayFinishInTheSameInstant runs many jobs whose last two
// batches wait behind one barrier. If both saw the other as open, the job would
// never end; if neither did, it would end twice.
func TestTheTwoLastBatchesMayFinishInTheSameInstant(t *testing.T) {
	t.Parallel()
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	db := bookingdb.New(t, 100)
	s := open(t, db)
	pairs := lastPairs(t, db, rounds)
	for _, pair := range pairs {
		start := make(chan struct{})
		var both sync.WaitGroup
		for _, c := range pair {
			both.Go(func() {
				<-start
				if err := s.Finish(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		both.Wait()
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.jobs WHERE state <> 'completed' OR finished_at IS NULL"); n != 0 {
		t.Errorf("%d of %d jobs have not ended", n, rounds)
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE kind = 'mail'"); n != rounds {
		t.Errorf("%d mails for %d jobs", n, rounds)
	}
}

// lastPairs makes jobs of two batches, both claimed and at their end.
func lastPairs(t *testing.T, db *bookingdb.DB, n int) [][2]*jobs.Claim {
	t.Helper()
	pairs := make([][2]*jobs.Claim, n)
	b := &pgx.Batch{}
	for i := range pairs {
		job := uuid.Must(uuid.NewV7()).String()
		b.Queue(`INSERT INTO oubli.jobs (id, kind, tenant_id, state, reason, created_by, requested, started_at, notify)
			VALUES ($1, 'erasure', 't' || $2::int, 'running', 'subject_request', 'test', 2, now(), '{admin@studio.example}')`, job, i)
		for k := range pairs[i] {
			c := &jobs.Claim{TaskID: uuid.Must(uuid.NewV7()).String(), JobID: job, Attempt: 1, Keys: []string{"1"}, Position: 1}
			b.Queue(`INSERT INTO oubli.tasks (id, job_id, tenant_id, kind, queue, number, state, attempt, lane, lease_until, keys, position, erased)
				VALUES ($1, $2, 't' || $3::int, 'batch', 'bulk', $4, 'running', 1, $4, now() + interval '1 hour', '{1}', 1, 1)`, c.TaskID, job, i, k+1)
			pairs[i][k] = c
		}
	}
	if err := db.Pool.SendBatch(t.Context(), b).Close(); err != nil {
		t.Fatal(err)
	}
	return pairs
}

func TestABatchWithClientsLeftCannotFinish(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	s := open(t, db)
	j := accept(t, s, "1", db.Clients(t, 1, 10))
	c := claimFirst(t, s)
	mustErase(t, s, c, 9)
	fenced(t, "finishing", s.Finish(t.Context(), c))
	mustErase(t, s, c, 1)
	if err := s.Finish(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	fenced(t, "finishing twice", s.Finish(t.Context(), c))
	if n := db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE kind = 'mail' AND job_id = $1", j.ID); n != 1 {
		t.Errorf("%d mails", n)
	}
}

func TestAPausedOrBlockedJobEndsWithItsLastChunk(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*repository.Store, *testing.T, string) error{
		"paused": func(s *repository.Store, t *testing.T, id string) error {
			_, err := s.Pause(t.Context(), jobs.Erasure, "1", id)
			return err
		},
		"blocked": func(s *repository.Store, t *testing.T, id string) error { return s.Block(t.Context(), id, "why", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := bookingdb.New(t, 300)
			at := newPausePoint("chunk:erased")
			s := open(t, db, func(o *repository.Options) { o.Failpoint = at.pass })
			j := accept(t, s, "1", db.Clients(t, 1, 10))
			c := claimFirst(t, s)
			done := make(chan error, 1)
			go func() {
				_, err := s.EraseChunk(t.Context(), c, 10)
				done <- err
			}()
			<-at.reached
			if err := stop(s, t, j.ID); err != nil {
				t.Error(err)
			}
			if got := job(t, s, j.ID); string(got.State) != name {
				t.Errorf("the job is %s", got.State)
			}
			close(at.goOn)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if err := s.Finish(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			got := job(t, s, j.ID)
			if !got.State.Final() || got.Counts.Pending != 0 || got.BlockedReason != "" || got.Mail.State != jobs.MailPending {
				t.Errorf("job: %+v", got)
			}
		})
	}
}

func TestAJobWithoutClientsEndsAtOnceWithItsMail(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	j := accept(t, s, "1", nil, func(r *jobs.ErasureRequest) {
		r.Notify = []string{"a@studio.example", "b@studio.example", "a@studio.example"}
	})
	if j.State != jobs.Completed || j.FinishedAt == nil || j.Mail.State != jobs.MailPending {
		t.Errorf("job: %+v", j)
	}
	due := dispatch(t, s)
	if len(due) != 2 || due[0].Kind != jobs.MailTask || due[1].Kind != jobs.MailTask {
		t.Errorf("got %+v, want one mail for each recipient", due)
	}
}

// Sweep ends what no transaction ended, and nothing else.
func TestSweepEndsJobsWithoutOpenTasks(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	stuck, _ := plant(t, db, "1", jobs.Bulk, 2)
	open, tasks := plant(t, db, "2", jobs.Bulk, 2)
	db.Exec(t, "UPDATE oubli.tasks SET state = 'done', position = 1, erased = 1 WHERE job_id = $1 OR id = $2", stuck, tasks[0])
	for range 2 {
		if err := s.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := job(t, s, stuck); got.State != jobs.Completed || got.Counts.Erased != 2 {
		t.Errorf("the stuck job: %+v", got)
	}
	if got := job(t, s, open); got.State != jobs.Running {
		t.Errorf("the open job: %+v", got)
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE kind = 'mail'"); n != 1 {
		t.Errorf("%d mails, want one", n)
	}
}
