package repository_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// erasable takes away whatever would make a guard hold.
func erasable(t *testing.T, db *bookingdb.DB) {
	t.Helper()
	db.Exec(t, "UPDATE clients SET legal_hold = false, balance_cents = 0")
	db.Exec(t, "UPDATE invoices SET status = 'paid' WHERE status = 'open'")
	db.Exec(t, "UPDATE appointments SET status = 'cancelled' WHERE status = 'booked'")
}

// expire lets the leases of all running tasks run out.
func expire(t *testing.T, db *bookingdb.DB) {
	t.Helper()
	db.Exec(t, "UPDATE oubli.tasks SET lease_until = now() - interval '1 second' WHERE state = 'running'")
}

// plant inserts a running job with tasks of one made-up client each, past every
// check of Accept, and returns its id and those of its tasks.
func plant(t *testing.T, db *bookingdb.DB, tenant string, queue jobs.Queue, tasks int) (job string, ids []string) {
	t.Helper()
	job = uuid.Must(uuid.NewV7()).String()
	db.Exec(t, `INSERT INTO oubli.jobs (id, kind, tenant_id, state, reason, created_by, requested, started_at, notify)
		VALUES ($1, 'erasure', $2, 'running', 'subject_request', 'test', $3, now(), '{admin@studio.example}')`, job, tenant, tasks)
	return job, db.Strings(t, `INSERT INTO oubli.tasks (id, job_id, tenant_id, kind, queue, number, keys)
		SELECT gen_random_uuid(), $1, $2, 'batch', $3, n, ARRAY[(100000 + n)::text] FROM generate_series(1, $4) AS n RETURNING id::text`,
		job, tenant, queue, tasks)
}

func mustClaim(t *testing.T, s *repository.Store, task string) *jobs.Claim {
	t.Helper()
	c, err := s.Claim(t.Context(), task)
	if err != nil || c == nil {
		t.Fatalf("claim %s: %v, %v", task, c, err)
	}
	return c
}

func mustErase(t *testing.T, s *repository.Store, c *jobs.Claim, n int) jobs.Chunk {
	t.Helper()
	chunk, err := s.EraseChunk(t.Context(), c, n)
	if err != nil {
		t.Fatal(err)
	}
	return chunk
}

// fenced fails the test unless the call was refused as that of an earlier claim.
func fenced(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, jobs.ErrFenced) {
		t.Errorf("%s: %v, want it fenced off", what, err)
	}
}

// idle fails the test when a connection of the store sits in a transaction.
func idle(t *testing.T, db *bookingdb.DB) {
	t.Helper()
	n := db.Int(t, `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'oubli' AND state LIKE 'idle in transaction%'`)
	if n > 0 {
		t.Errorf("%d connections were given back in a transaction", n)
	}
}
