package repository_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/oubli/oubli/internal/backlog"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// plantMany inserts jobs of one task each, of as many tenants, in this state.
func plantMany(t *testing.T, db *bookingdb.DB, n, tenants int, queue jobs.Queue, state jobs.State) {
	t.Helper()
	db.Exec(t, `
		WITH made AS (
		  INSERT INTO oubli.jobs (id, kind, tenant_id, state, reason, created_by, requested, started_at)
		  SELECT gen_random_uuid(), 'erasure', 'tenant ' || n % $2, $4, 'subject_request', 'test', 1, now() FROM generate_series(1, $1::int) AS n
		  RETURNING id, tenant_id)
		INSERT INTO oubli.tasks (id, job_id, tenant_id, kind, queue, number, keys)
		SELECT gen_random_uuid(), id, tenant_id, 'batch', $3, 1, '{1}' FROM made`, n, tenants, queue, state)
}

// blocks runs a statement as a round of dispatching does, and counts the pages
// that it reads.
func blocks(t *testing.T, db *bookingdb.DB, sql string, args ...any) int {
	t.Helper()
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "set local jit = off"+backlog.SettingsSQL); err != nil {
		t.Fatal(err)
	}
	var text string
	if err := tx.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json) "+sql, args...).Scan(&text); err != nil {
		t.Fatalf("%v: %s", err, sql)
	}
	var plans []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan.Hit + plans[0].Plan.Read
}

func TestWhatARoundReadsDoesNotGrowWithTheBacklog(t *testing.T) {
	t.Parallel()
	few, many := 1000, 40_000
	if n, err := strconv.Atoi(os.Getenv("OUBLI_BACKLOG")); err == nil {
		many = n // docs/performance.md has the figures of a million
	}
	for _, tenants := range []int{1, 2000} {
		t.Run(fmt.Sprint(tenants, " tenants"), func(t *testing.T) {
			t.Parallel()
			read := map[string][2]int{}
			for i, n := range []int{few, many} {
				db := bookingdb.New(t, 100)
				s := open(t, db)
				plantMany(t, db, n, min(n, tenants), jobs.Interactive, jobs.Running)
				plantMany(t, db, n, min(n, tenants), jobs.Bulk, jobs.Running)
				// Most are held up: their jobs are paused, or their time has not come.
				plantMany(t, db, n, min(n, tenants), jobs.Bulk, jobs.Paused)
				db.Exec(t, `UPDATE oubli.tasks SET run_at = now() + interval '1 hour'
					WHERE queue = 'interactive' AND id < '80000000-0000-0000-0000-000000000000'`)
				for range 200 { // until everything that is held up is parked
					if err := s.Undispatch(t.Context(), dispatch(t, s)); err != nil {
						t.Fatal(err)
					}
				}
				// What was planted is a moment old, and its marks are dead rows. Without
				// the option VACUUM leaves the index entries of few dead rows.
				db.Exec(t, "VACUUM (INDEX_CLEANUP on) oubli.tasks, oubli.jobs")
				tenant := "tenant 0"
				for name, cost := range map[string]int{
					"any":          blocks(t, db, backlog.AnyReadySQL),
					"load":         blocks(t, db, backlog.LoadSQL, nil),
					"heads, small": blocks(t, db, backlog.HeadsSQL, "interactive", 128, 2),
					"heads, bulk":  blocks(t, db, backlog.HeadsAfterSQL, "bulk", 128, 2, "tenant 5"),
					"unpark":       blocks(t, db, backlog.UnparkDueSQL, 2000),
					"next":         blocks(t, db, backlog.NextBatchOfTenantSQL, tenant, nil),
					"without hint": blocks(t, db, backlog.WithoutHintSQL, tenant),
					"open jobs":    blocks(t, db, repository.OpenJobsSQL, uuid.Nil, 1000),
				} {
					both := read[name]
					both[i] = cost
					read[name] = both
				}
			}
			for name, n := range read {
				t.Logf("%s: %d pages of %d tasks, %d of %d", name, n[0], few, n[1], many)
				// An index that is deeper by a level or two costs as many pages for each
				// search. What reads all tasks reads forty times as many.
				if n[1] > 5*n[0]+100 {
					t.Errorf("%s: %d pages of %d tasks, %d of %d", name, n[0], few, n[1], many)
				}
			}
		})
	}
}

func TestAJobThatGoesOnIsDispatchedAlthoughItsTasksWereParked(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	job, _ := plant(t, db, "1", jobs.Bulk, 10)
	if _, err := s.Pause(t.Context(), jobs.Erasure, "1", job); err != nil {
		t.Fatal(err)
	}
	if due := dispatch(t, s); len(due) != 0 {
		t.Fatalf("paused: %+v", due)
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE parked = 'job'"); n != 10 {
		t.Errorf("%d tasks of the paused job are parked, want 10", n)
	}
	if _, err := s.Resume(t.Context(), jobs.Erasure, "1", job); err != nil {
		t.Fatal(err)
	}
	if due := dispatch(t, s); len(due) != 2 {
		t.Errorf("%d hints after the job was resumed, want one for each lane", len(due))
	}
}

func TestAParkedTaskIsDispatchedWhenItsTimeHasCome(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	_, tasks := plant(t, db, "1", jobs.Interactive, 1)
	db.Exec(t, "UPDATE oubli.tasks SET run_at = now() + interval '1 hour'")
	if due := dispatch(t, s); len(due) != 0 {
		t.Fatalf("an hour too early: %+v", due)
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE parked = 'time'"); n != 1 {
		t.Error("the task is not parked")
	}
	db.Exec(t, "UPDATE oubli.tasks SET run_at = now()")
	if due := dispatch(t, s); len(due) != 1 || due[0].TaskID != tasks[0] {
		t.Errorf("%+v, want the task", due)
	}
	if c := mustClaim(t, s, tasks[0]); c.Attempt != 1 {
		t.Errorf("%+v", c)
	}
}

func TestAJobThatIsResumedWhileItsTasksAreBeingParkedIsNotLeftParked(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db)
	for range 20 {
		job, tasks := plant(t, db, uuid.NewString(), jobs.Interactive, 3)
		db.Exec(t, "UPDATE oubli.jobs SET state = 'paused' WHERE id = $1", job)
		done := make(chan error, 1)
		go func() {
			_, err := s.Dispatch(t.Context())
			done <- err
		}()
		db.Exec(t, "UPDATE oubli.jobs SET state = 'running' WHERE id = $1", job)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		left := db.Strings(t, "SELECT id::text FROM oubli.tasks WHERE job_id = $1 AND parked IS NOT NULL", job)
		if len(left) > 0 {
			t.Fatalf("%d of %d tasks of a job that runs are parked", len(left), len(tasks))
		}
	}
}

func TestManyTenantsAllGetTheirTurnAlthoughARoundSeesOnlySome(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	s := open(t, db, func(o *repository.Options) { o.Window = 8 })
	plantMany(t, db, 600, 200, jobs.Interactive, jobs.Running)
	got := map[string]int{}
	for range 25 {
		due := dispatch(t, s)
		if len(due) != 8 {
			t.Fatalf("%d hints, want a full window", len(due))
		}
		var ids []string
		for _, d := range due {
			ids = append(ids, d.TaskID)
		}
		for tenant, n := range owners(t, db, due) {
			got[tenant] += n
		}
		db.Exec(t, "UPDATE oubli.tasks SET state = 'done', dispatched_at = NULL WHERE id IN ("+"'"+strings.Join(ids, "','")+"')")
	}
	if len(got) != 200 {
		t.Errorf("%d of 200 tenants had their turn in 200 hints", len(got))
	}
}
