package repository

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// verdict is what becomes of the clients of one chunk.
type verdict struct {
	erase      []string // keys whose clients are erased
	deferred   []string // keys whose clients live traffic holds
	owned      map[string][]string
	exceptions []jobs.Exception
	counts     jobs.Counts
	profiles   map[int]string   // the tenant's live profiles, by slot
	conflicts  map[string]int64 // of a merge: rows of which the target has the like, by table
}

// tenantLock keys the advisory lock by which jobs of one tenant agree: batches
// share it and merges take it alone.
const tenantLock = "hashtextextended('oubli:tenant:' || $1::text, 0)"

// fenceSQL locks the task's row if the task is still the caller's and stands
// where the caller believes it to, and says whether its job wants to go on. A
// crash of the server can take the last chunks back: then the position is
// another or, after chunks that only put clients back, the next client.
const fenceSQL = `
SELECT j.state = 'running'
FROM oubli.tasks AS t JOIN oubli.jobs AS j ON j.id = t.job_id
WHERE t.id = $1 AND t.attempt = $2 AND t.state = 'running' AND t.position = $3 AND t.keys[$3 + 1] IS NOT DISTINCT FROM $4
FOR UPDATE OF t`

// statementTimeout bounds each statement of a chunk, so that one that takes too
// long is the server's to end, over a connection that lives.
const statementTimeout = 2 * time.Minute

// decide opens the chunk's transaction and finds out, in one round trip, who
// is erased: the fence, the tenant's lock, the clients' locks, and then the
// guards on a snapshot that is newer than all of these.
func (s *Store) decide(ctx context.Context, conn *pgx.Conn, p *plan.Plan, v *values) (*verdict, error) {
	b := &pgx.Batch{}
	if err := errors.Join(s.opening(b, p, v), v.queue(b, p.LiveProfiles, p.Guards)); err != nil {
		return nil, err
	}
	results := conn.SendBatch(ctx, b)
	out, err := readVerdict(results, p, v)
	return out, errors.Join(err, results.Close())
}

// opening begins a transaction that works for a task. Batches share the
// tenant's lock; a merge, which may touch any of the tenant's rows, has it
// alone.
func (s *Store) opening(b *pgx.Batch, p *plan.Plan, v *values) error {
	lock := "pg_advisory_xact_lock_shared"
	if v.claim.Kind == jobs.MergeTask {
		lock = "pg_advisory_xact_lock"
	}
	b.Queue("begin isolation level read committed")
	// A process that is stopped in mid-chunk must not keep its locks. A plan
	// made once serves every chunk: making it anew, or compiling it, costs more
	// than knowing the keys could gain. A chunk need not wait for the disk, since
	// what says that it was done is lost with it; the commit that ends the batch
	// waits for all before it.
	b.Queue("SELECT set_config('lock_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $2, true), set_config('statement_timeout', $3, true), "+
		"set_config('plan_cache_mode', 'force_generic_plan', true), set_config('jit', 'off', true), set_config('synchronous_commit', 'off', true)",
		milliseconds(s.opts.LockTimeout), milliseconds(s.opts.Lease), milliseconds(statementTimeout))
	b.Queue(s.fence, v.claim.TaskID, v.claim.Attempt, v.claim.Position, nextKey(v.claim))
	b.Queue("SELECT "+lock+"("+tenantLock+")", holder(v.m, v.claim.TenantID))
	return v.queue(b, p.LockClients)
}

// nextKey is the key of the client whose turn it is; nil at the end.
func nextKey(c *jobs.Claim) *string {
	if c.Position == len(c.Keys) {
		return nil
	}
	return &c.Keys[c.Position]
}

// readOpening says whether the task may go on, and which clients are locked.
func readOpening(results pgx.BatchResults, p *plan.Plan) (locked map[string][]*string, err error) {
	for range 2 { // begin, settings
		if _, err := results.Exec(); err != nil {
			return nil, err
		}
	}
	var goOn bool
	err = results.QueryRow().Scan(&goOn)
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && !goOn) {
		return nil, jobs.ErrFenced
	}
	if err != nil {
		return nil, err
	}
	if _, err := results.Exec(); err != nil { // the tenant's lock
		return nil, err
	}
	return readLocked(results, p.OwnedColumns)
}

func readVerdict(results pgx.BatchResults, p *plan.Plan, v *values) (*verdict, error) {
	locked, err := readOpening(results, p)
	if err != nil {
		return nil, err
	}
	out := &verdict{owned: map[string][]string{}, profiles: map[int]string{}}
	if err := out.readProfiles(results); err != nil {
		return nil, err
	}
	if err := out.readJudgement(results, p, v, locked); err != nil {
		return nil, err
	}
	out.keepOwned(p.OwnedColumns, locked)
	return out, nil
}

// keepOwned notes what the rows of those to be erased point to.
func (v *verdict) keepOwned(columns []string, locked map[string][]*string) {
	for i, column := range columns {
		v.owned[column] = []string{} // never nil, which would be NULL
		for _, key := range v.erase {
			if link := locked[key][i]; link != nil {
				v.owned[column] = append(v.owned[column], *link)
			}
		}
	}
}

func (v *verdict) readProfiles(results pgx.BatchResults) error {
	rows, err := results.Query()
	if err != nil {
		return err
	}
	var slot int
	var key string
	_, err = pgx.ForEachRow(rows, []any{&slot, &key}, func() error {
		v.profiles[slot] = key
		return nil
	})
	return err
}

// readLocked reads which clients are locked, with what their rows point to.
func readLocked(results pgx.BatchResults, owned []string) (map[string][]*string, error) {
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	locked := map[string][]*string{}
	for rows.Next() {
		var key string
		links := make([]*string, len(owned))
		into := []any{&key}
		for i := range links {
			into = append(into, &links[i])
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		locked[key] = links
	}
	return locked, rows.Err()
}

type judgement struct {
	code *string
	kept []*time.Time // the latest day, for each of the plan's retained rules
}

func (v *verdict) readJudgement(results pgx.BatchResults, p *plan.Plan, values *values, locked map[string][]*string) error {
	rows, err := results.Query()
	if err != nil {
		return err
	}
	found := map[string]judgement{}
	var key string
	var j judgement
	_, err = pgx.ForEachRow(rows, []any{&key, &j.code, &j.kept}, func() error {
		found[key] = j
		j = judgement{}
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range values.keys {
		j, exists := found[key]
		_, held := locked[key]
		until, err := values.lastDay(p.RetentionRules, j.kept)
		switch {
		case err != nil:
			return err
		case !exists:
			v.except(jobs.Exception{ClientID: key, Outcome: jobs.NotFound, Code: jobs.CodeNotFound})
		case !held:
			v.deferred = append(v.deferred, key)
		case j.code != nil:
			v.except(jobs.Exception{ClientID: key, Outcome: jobs.Skipped, Code: *j.code})
		case until != nil:
			v.erase = append(v.erase, key)
			v.except(jobs.Exception{ClientID: key, Outcome: jobs.ErasedRetained, Code: jobs.CodeRetained, RetainedUntil: until})
		default:
			v.erase = append(v.erase, key)
			v.counts.Erased++
		}
	}
	return nil
}

func (v *verdict) except(e jobs.Exception) {
	v.exceptions = append(v.exceptions, e)
	v.counts.Add(e.Outcome, 1)
}

// lockTask locks the task's row in the open transaction, or says that the task
// is no longer the caller's.
func (s *Store) lockTask(ctx context.Context, conn *pgx.Conn, c *jobs.Claim) error {
	var goOn bool
	err := conn.QueryRow(ctx, s.fence, c.TaskID, c.Attempt, c.Position, nextKey(c)).Scan(&goOn)
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && !goOn) {
		return jobs.ErrFenced
	}
	return err
}
