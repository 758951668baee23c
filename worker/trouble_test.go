package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
	"github.com/oubli/oubli/worker"
)

// refusePrivateAddresses makes PostgreSQL refuse to delete some clients, with an
// error that quotes their address.
const refusePrivateAddresses = `
CREATE FUNCTION provoke() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.email LIKE '%@private.example' THEN
    RAISE EXCEPTION 'not %', OLD.email;
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER provoked BEFORE DELETE ON clients FOR EACH ROW EXECUTE FUNCTION provoke();`

func TestARefusedClientFailsAloneAndIsNotNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t, 300)
	keys := r.db.Clients(t, 1, 20)
	refused := []string{keys[0], keys[7], keys[8], keys[19]}
	r.db.Exec(t, "UPDATE clients SET email = 'vez' || id || '@private.example' WHERE id = ANY($1::text[]::bigint[])", refused)
	r.db.Exec(t, refusePrivateAddresses)
	s := r.run()
	j := r.ended(s, r.accept(s, "1", keys, "a@studio.example").ID)
	if j.State != jobs.CompletedWithExceptions || j.Counts.Failed != 4 || j.Exceptions["P0001"] != 4 {
		t.Errorf("job %+v", j)
	}
	left := r.db.Existing(t, keys)
	slices.Sort(left)
	slices.Sort(refused)
	if !slices.Equal(left, refused) {
		t.Errorf("left %v, want %v", left, refused)
	}
	r.wantNoClientData(t)
}

// A batch yields to batches of other tenants. The search for a refused client must
// end nevertheless: it must not start again each time.
func TestRefusedAndLockedClientsDelayNoOthersWhileTenantsTakeTurns(t *testing.T) {
	t.Parallel()
	r := newRig(t, 600)
	r.db.Exec(t, refusePrivateAddresses)
	s := r.store()
	p, _ := r.dispatcher(s)
	var ids []string
	var held string
	for i := range int64(4) {
		keys := r.db.Strings(t, `
			SELECT id::text FROM clients AS c
			WHERE studio_id = $1 AND NOT is_anonymous AND EXISTS (SELECT FROM appointments WHERE client_id = c.id)
			ORDER BY id LIMIT 9`, i+1)
		if i == 3 {
			keys = keys[:1] // the refused client alone
		}
		r.db.Exec(t, "UPDATE clients SET email = 'vez' || id || '@private.example' WHERE id = $1::text::bigint", keys[len(keys)/2])
		if i == 0 {
			held = keys[2]
		}
		ids = append(ids, r.accept(s, fmt.Sprint(i+1), keys).ID)
	}
	tx, err := r.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), "SELECT FROM appointments WHERE client_id = $1::text::bigint FOR UPDATE", held); err != nil {
		t.Fatal(err)
	}
	r.work(s, p, func(o *worker.Options) { o.Concurrency, o.ChunkMax = 1, 4 })
	for _, id := range ids[1:] {
		if j := r.ended(s, id); j.Exceptions["P0001"] != 1 || j.Counts.Failed != 1 {
			t.Errorf("job %+v", j)
		}
	}
	bookingdb.Wait(t, "all but the one that is held", func() bool { return r.job(s, ids[0]).Counts.Pending == 1 })
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if j := r.ended(s, ids[0]); j.Exceptions["P0001"] != 1 || j.Counts.Failed != 1 {
		t.Errorf("job %+v", j)
	}
}

// While another transaction locks rows, no client fails, no crash is counted, and
// the other clients are erased.
func TestLocksOfAnotherTransactionDelayOnlyTheLockedClients(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"the client's row": "SELECT FROM clients WHERE id = $1::bigint FOR UPDATE",
		"a child's row":    "SELECT FROM appointments WHERE client_id = $1::bigint FOR UPDATE",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 300)
			keys := r.db.Strings(t, `
				SELECT DISTINCT client_id::text FROM appointments
				WHERE studio_id = 1 AND client_id IN (SELECT id FROM clients WHERE NOT is_anonymous)
				ORDER BY 1 LIMIT 15`)
			tx, err := r.db.Pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
			if _, err := tx.Exec(t.Context(), sql, keys[4]); err != nil {
				t.Fatal(err)
			}
			s := r.run()
			id := r.accept(s, "1", keys, "a@studio.example").ID
			bookingdb.Wait(t, "all others to be erased", func() bool { return r.job(s, id).Counts.Pending == 1 })
			// The batch is given back and tried again until the other transaction ends.
			// That must not count as a crash.
			bookingdb.Wait(t, "the batch to be given back", func() bool {
				return r.db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE state = 'pending' AND last_error = 'contention'") == 1
			})
			if n := r.db.Int(t, "SELECT crashes + failures FROM oubli.tasks WHERE kind = 'batch'"); n != 0 {
				t.Errorf("%d crashes and failures", n)
			}
			if err := tx.Rollback(t.Context()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
				t.Fatal(err)
			}
			if j := r.ended(s, id); j.State != jobs.Completed {
				t.Errorf("job %+v", j)
			}
		})
	}
}

// crashingEraser panics when a chunk contains one client. It simulates a worker
// process that is killed: the chunk does not commit, and the task is not given
// back.
type crashingEraser struct {
	*repository.Store
	client string
}

func (m crashingEraser) EraseChunk(ctx context.Context, c *jobs.Claim, n int) (jobs.Chunk, error) {
	if slices.Contains(c.Keys[c.Position:min(c.Position+n, len(c.Keys))], m.client) {
		panic("vez " + m.client)
	}
	return m.Store.EraseChunk(ctx, c, n)
}

func TestAClientOnWhichWorkersCrashFailsAndTheOthersAreErased(t *testing.T) {
	t.Parallel()
	r := newRig(t, 300)
	keys := r.db.Clients(t, 1, 8)
	s := r.store()
	p, _ := r.dispatcher(s)
	r.work(s, p, func(o *worker.Options) { o.Eraser = crashingEraser{s, keys[4]} })
	j := r.ended(s, r.accept(s, "1", keys, "a@studio.example").ID)
	if j.State != jobs.CompletedWithExceptions || j.Exceptions["worker_crashed"] != 1 || j.Counts.Erased+j.Counts.ErasedRetained != 7 {
		t.Errorf("job %+v", j)
	}
	if left := r.db.Existing(t, keys); len(left) != 1 || left[0] != keys[4] {
		t.Errorf("left %v, want %s", left, keys[4])
	}
	if !r.logged("handler panicked") {
		t.Error("no handler panicked, so this test proves nothing")
	}
	r.wantNoClientData(t)
}

// A worker process hangs in the middle of a chunk, as after SIGSTOP. Another worker
// claims its batch. When the first one continues, it changes nothing.
func TestAStoppedWorkersBatchIsTakenOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, 300)
	here, goOn := make(chan struct{}), make(chan struct{})
	first := true
	sleeper := r.store(func(o *repository.Options) {
		o.Lanes = 1
		o.Failpoint = func(name string) {
			if name == "chunk:erased" && first {
				first = false
				close(here)
				<-goOn
			}
		}
	})
	p, stop := r.dispatcher(sleeper)
	r.work(sleeper, p)
	keys := r.db.Clients(t, 1, 60)
	id := r.accept(sleeper, "1", keys, "a@studio.example").ID
	<-here
	stop() // the dispatcher of the same process hangs too

	s := r.run(func(o *repository.Options) { o.Lanes = 1 })
	if j := r.ended(s, id); j.State != jobs.Completed || j.Counts.NotFound != 0 {
		t.Errorf("job %+v", j)
	}
	rows := r.db.Untouched(t, keys)
	close(goOn)
	bookingdb.Wait(t, "the first worker to lose its batch", func() bool {
		return r.logged("batch given back") || r.logged("stopped between chunks")
	})
	for i, now := range r.db.Untouched(t, keys) {
		if now != rows[i] {
			t.Errorf("%+v became %+v", rows[i], now)
		}
	}
	r.mailServer.wantMails(t, 1)
	r.db.SameTotals(t)
}

func TestAWorkerThatStopsGivesItsBatchBackAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 600)
	begun := make(chan struct{}, 1000)
	s := r.store(func(o *repository.Options) { o.BatchClients, o.Lease = 1000, time.Hour })
	p, _ := r.dispatcher(s)
	srv := r.work(s, p, func(o *worker.Options) {
		o.ChunkMax = 2
		o.Observe = func(jobs.Chunk) { begun <- struct{}{} }
	})
	id := r.accept(s, "1", r.db.Clients(t, 1, 150), "a@studio.example").ID
	<-begun
	srv.Stop()
	srv.Stop() // a second call changes nothing
	if n := r.db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE state = 'running'"); n != 0 {
		t.Errorf("%d tasks are still claimed, for an hour", n)
	}
	left := r.job(s, id).Counts.Pending
	if left == 0 || left == 150 {
		t.Errorf("%d clients pending: want some, but not all", left)
	}
	r.work(s, p)
	if j := r.ended(s, id); j.State != jobs.Completed {
		t.Errorf("job %+v", j)
	}
	if n := r.db.Int(t, "SELECT sum(crashes + failures) FROM oubli.tasks"); n != 0 {
		t.Errorf("%d crashes and failures", n)
	}
}

func TestAServerThatNeverStartedCanBeStopped(t *testing.T) {
	t.Parallel()
	r := newRig(t, 100)
	worker.NewServer(worker.Options{Redis: r.redis}).Stop()
}

// A new table that the map does not cover blocks the job. Nothing more is erased
// until the map covers it; then the job continues by itself.
func TestASchemaThatGrowsBlocksTheJobUntilTheMapCoversIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, 600)
	grown := false
	s := r.run(func(o *repository.Options) {
		o.Lanes = 1
		o.Failpoint = func(name string) {
			if name == "chunk:committed" && !grown {
				grown = true
				const diaries = "CREATE TABLE diaries (client_id bigint REFERENCES clients, entry text)"
				if _, err := r.db.Pool.Exec(context.Background(), diaries); err != nil {
					t.Error(err)
				}
			}
		}
	})
	keys := r.db.Clients(t, 1, 100)
	id := r.accept(s, "1", keys, "a@studio.example").ID
	bookingdb.Wait(t, "the job to be blocked", func() bool { return r.job(s, id).State == jobs.Blocked })
	j := r.job(s, id)
	if j.BlockedReason == "" || j.Counts.Pending == 0 {
		t.Errorf("job %+v", j)
	}
	if left := len(r.db.Existing(t, keys)); left != j.Counts.Pending {
		t.Errorf("%d clients are left, %d are pending", left, j.Counts.Pending)
	}
	r.db.Exec(t, "DROP TABLE diaries")
	if j := r.ended(s, id); j.State != jobs.Completed || j.BlockedReason != "" {
		t.Errorf("job %+v", j)
	}
}
