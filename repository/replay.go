package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// BeginReplay begins a replay of these objects of the ledger, or continues one that
// was interrupted. From then on workers claim its jobs, and no others.
func (s *Store) BeginReplay(ctx context.Context, first, last int64) (id string, err error) {
	err = s.tx(ctx, "begin replay", func(tx pgx.Tx) error {
		if _, err := readEpoch(ctx, tx, " FOR UPDATE"); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, "SELECT id::text FROM oubli.replays WHERE finished_at IS NULL").Scan(&id)
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE oubli.replays SET last = greatest(last, $2) WHERE id = $1", id, last)
			return err
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		id = uuid.NewString()
		_, err = tx.Exec(ctx, "INSERT INTO oubli.replays (id, first, last) VALUES ($1, $2, $3)", id, first, last)
		return err
	})
	return id, err
}

// Replaying reports whether a replay is under way.
func (s *Store) Replaying(ctx context.Context) (is bool, err error) {
	err = s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM oubli.replays WHERE finished_at IS NULL)").Scan(&is)
	return is, pgfault.Acquire("look for a replay", err)
}

// LiveClients reads which of the keys belong to a client now, and when that client was
// created; "-" where nothing says. Anonymous profiles are left out.
func (s *Store) LiveClients(ctx context.Context, tenant string, keys []string) (map[string]string, error) {
	p, err := s.covered(ctx)
	if err != nil {
		return nil, err
	}
	live := map[string]string{}
	for part := range slices.Chunk(keys, s.opts.BatchClients) {
		args, err := bind(forClients(p, tenant, part), p.FindClients)
		if err != nil {
			return nil, err
		}
		rows, err := s.pool.Query(ctx, p.FindClients.SQL, args...)
		if err != nil {
			return nil, pgfault.Wrap("look for clients", err)
		}
		var key string
		var profile bool
		_, err = pgx.ForEachRow(rows, []any{&key, &profile}, func() error {
			if !profile {
				live[key] = ""
			}
			return nil
		})
		if err != nil {
			return nil, pgfault.Wrap("look for clients", err)
		}
		created, err := s.createdAt(ctx, p, &jobs.Claim{TenantID: tenant, Keys: part})
		if err != nil {
			return nil, pgfault.Wrap("look for clients", err)
		}
		for i, key := range part {
			if _, is := live[key]; is {
				live[key] = created[i]
			}
		}
	}
	return live, nil
}

const insertReplaySQL = `
INSERT INTO oubli.jobs (id, kind, tenant_id, state, reason, cutoff, activities, override, created_by, locale, country, tenant_locale,
  requested, merge, replay, listed_at)
VALUES ($1, $2, $3, 'scheduled', $4, $5, $6, $7, 'oubli replay', $8, $9, $8, $10, $11, $12, $13)`

// InsertReplay stores a job that erases or merges clients again.
func (s *Store) InsertReplay(ctx context.Context, replay string, part jobs.ReplayPart) (id string, err error) {
	job, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	t, kind, reason := part.Terms, jobs.Erasure, ptr(string(jobs.Replay))
	var merge []byte
	if t.Merge != nil {
		kind, reason = jobs.Merge, nil
		if merge, err = json.Marshal(t.Merge); err != nil {
			return "", err
		}
	}
	var listed *time.Time // what was created later is somebody else
	if !t.Listed.IsZero() {
		listed = &t.Listed
	}
	override := []string{everyGuard}
	if part.Doubt {
		override = list(t.Override)
	} else {
		t.Cutoff, t.Activities = nil, nil
	}
	err = s.tx(ctx, "store job of replay", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insertReplaySQL, job, kind, part.TenantID, reason, t.Cutoff, list(t.Activities), override,
			t.Locale, t.Country, len(part.Keys), merge, replay, listed)
		if err != nil {
			return err
		}
		if kind == jobs.Merge {
			task, err := uuid.NewV7()
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `INSERT INTO oubli.tasks (id, job_id, tenant_id, kind, queue, number, keys)
				VALUES ($1, $2, $3, 'merge', 'interactive', 1, $4)`, task, job, part.TenantID, part.Keys)
			return err
		}
		var now time.Time
		if err := tx.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
			return err
		}
		return s.insertBatches(ctx, tx, job, part.TenantID, part.Keys, now)
	})
	return job.String(), err
}

// everyGuard is the override of jobs of a replay for which no guard counts. No request
// may ask for it.
const everyGuard = "*"

// OpenReplayJobs lists jobs of a replay that have not ended.
func (s *Store) OpenReplayJobs(ctx context.Context, replay string) ([]string, error) {
	rows, err := s.pool.Query(ctx, "SELECT id::text FROM oubli.jobs WHERE replay = $1 AND finished_at IS NULL ORDER BY id", replay)
	if err != nil {
		return nil, pgfault.Wrap("list jobs of replay", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return ids, pgfault.Wrap("list jobs of replay", err)
}

const replayedSQL = `
SELECT j.tenant_id, k.key, coalesce(e.code, '') FROM oubli.jobs AS j
JOIN oubli.tasks AS t ON t.job_id = j.id AND t.kind <> 'mail'
CROSS JOIN LATERAL unnest(t.keys[:t.position]) AS k(key)
LEFT JOIN oubli.exceptions AS e ON e.job_id = j.id AND e.client_id = k.key AND e.outcome <> 'erased_retained'
WHERE j.replay = $1 ORDER BY j.id`

// Replayed calls f with each client of a replay's jobs, and the code of the latest
// exception; "": erased or merged again.
func (s *Store) Replayed(ctx context.Context, replay string, f func(tenant, key, code string)) error {
	rows, err := s.pool.Query(ctx, replayedSQL, replay)
	if err != nil {
		return pgfault.Wrap("read outcomes of replay", err)
	}
	var tenant, key, code string
	_, err = pgx.ForEachRow(rows, []any{&tenant, &key, &code}, func() error {
		f(tenant, key, code)
		return nil
	})
	return pgfault.Wrap("read outcomes of replay", err)
}

// ReportReplay stores the counts of a replay.
func (s *Store) ReportReplay(ctx context.Context, r jobs.ReplayReport) error {
	_, err := s.pool.Exec(ctx, `UPDATE oubli.replays SET keys = $2, absent = $3, erased_again = $4, key_reused = $5,
		  in_doubt = $6, refused = $7
		WHERE id = $1`, r.ID, r.Keys, r.Absent, r.ErasedAgain, r.KeyReused, r.InDoubt, r.Refused)
	return pgfault.Wrap("store report of replay", err)
}

// EndReplay ends a replay and makes the database as new as its ledger, whose last
// objects it has not written itself: these.
func (s *Store) EndReplay(ctx context.Context, replay string, objects []jobs.LedgerObject) error {
	return s.tx(ctx, "end replay", func(tx pgx.Tx) error {
		if _, err := readEpoch(ctx, tx, " FOR UPDATE"); err != nil {
			return err
		}
		for _, o := range objects {
			_, err := tx.Exec(ctx, `INSERT INTO oubli.ledger_objects (sequence, digest, intents, outcomes, keys, bytes)
				VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (sequence) DO UPDATE SET digest = excluded.digest`,
				o.Sequence, o.Digest, o.Intents, o.Outcomes, o.Keys, o.Bytes)
			if err != nil {
				return err
			}
		}
		if n := len(objects); n > 0 {
			_, err := tx.Exec(ctx, `UPDATE oubli.epoch SET sequence = $1, digest = $2, pending = '{}', pending_until = NULL`,
				objects[n-1].Sequence, objects[n-1].Digest)
			if err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "UPDATE oubli.epoch SET restored = ''"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE oubli.replays SET finished_at = now() WHERE id = $1", replay)
		return err
	})
}

// RaiseKeys makes the sequence of the client's key go on after the largest of these
// keys, so that no new client gets the key of an erased one. It draws the numbers in
// between, which the workers' role may do.
func (s *Store) RaiseKeys(ctx context.Context, keys []string) error {
	p, err := s.covered(ctx)
	if err != nil || p.KeyKind != plan.IntKey && p.KeyKind != plan.BigintKey || p.RaiseKeys.SQL == "" {
		return err
	}
	var most int64
	for _, key := range keys {
		if n, err := strconv.ParseInt(key, 10, 64); err == nil {
			most = max(most, n)
		}
	}
	var sequence string
	var last int64
	err = s.pool.QueryRow(ctx, p.RaiseKeys.SQL, most).Scan(&sequence, &last)
	switch {
	case errors.Is(err, pgx.ErrNoRows): // the application draws its keys itself
		return nil
	case err != nil:
		return pgfault.Wrap("raise the sequence of clients' keys", err)
	case last < most:
		return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Msg: fmt.Sprintf(
			"the sequence of clients' keys is far behind the ledger; run as its owner: SELECT setval('%s', %d)", sequence, most)}
	}
	return nil
}

func ptr[T any](v T) *T { return &v }
