package repository

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// Ledger takes records of what is erased, outside the database.
type Ledger interface {
	Write(ctx context.Context, records ...jobs.LedgerRecord) (seq int64, err error)
	Ready(ctx context.Context) error // nil: it answers, and is as new as the database
}

// UseLedger makes sweeps write their intents, and blocked jobs wait for the ledger. It
// is called before any work starts.
func (s *Store) UseLedger(l Ledger) { s.ledger = l }

func (s *Store) ledgerReady(ctx context.Context) error {
	if s.ledger == nil {
		return nil
	}
	return s.ledger.Ready(ctx)
}

// Intent is what the ledger has to know before the first chunk of a claim.
func (s *Store) Intent(ctx context.Context, c *jobs.Claim) (jobs.LedgerRecord, error) {
	p, err := s.covered(ctx)
	if err != nil {
		return jobs.LedgerRecord{}, err
	}
	r := intentOf(c)
	r.CreatedAt, err = s.createdAt(ctx, p, c)
	return r, pgfault.Wrap("read when clients were created", err)
}

func intentOf(c *jobs.Claim) jobs.LedgerRecord {
	t := c.Terms
	r := jobs.LedgerRecord{
		Record: jobs.IntentRecord, JobID: c.JobID, TaskID: c.TaskID, Kind: jobs.LedgerErasure, Tenant: c.TenantID,
		Reason: t.Reason, Cutoff: t.Cutoff, Listed: &t.Listed, Activities: t.Activities, Override: t.Override,
		Country: t.Country, Locale: t.Locale, Keys: c.Keys, Merge: t.Merge,
	}
	if t.Merge != nil {
		r.Kind = jobs.LedgerMerge
	}
	return r
}

// createdAt has, for each key of the claim, when the client was created; "-" without a
// date, "" without the client.
func (s *Store) createdAt(ctx context.Context, p *plan.Plan, c *jobs.Claim) ([]string, error) {
	all := make([]string, len(c.Keys))
	args, err := bind(forClients(p, c.TenantID, c.Keys), p.Created)
	if err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, p.Created.SQL, args...)
	if err != nil {
		return nil, err
	}
	found := make(map[string]string, len(c.Keys))
	var key, at string
	_, err = pgx.ForEachRow(rows, []any{&key, &at}, func() error {
		found[key] = at
		return nil
	})
	for i, key := range c.Keys {
		all[i] = found[key]
	}
	return all, err
}

const (
	outcomesAtOnce = 20               // batches whose outcomes are read and written together
	outcomeLease   = 40 * time.Second // longer than writing one object takes
)

const anyOutcomeSQL = `
SELECT EXISTS (SELECT FROM oubli.tasks WHERE kind <> 'mail' AND state IN ('done', 'failed', 'cancelled') AND ledger_outcome IS NULL)`

// writeOutcomesSQL makes this process the one that writes outcomes. A lease that ends
// later than one can is from a clock that was wrong.
const writeOutcomesSQL = `
UPDATE oubli.outcome_writer SET holder = $1, lease_until = clock_timestamp() + $2::interval
WHERE holder = $1 OR lease_until < clock_timestamp() OR lease_until > clock_timestamp() + $2::interval`

const outcomesSQL = `
SELECT t.id::text, t.job_id::text, t.tenant_id, t.keys, t.position, coalesce(t.ledger_intent, 0), j.dry_run,
  coalesce(j.reason, ''), j.cutoff, coalesce(j.listed_at, j.created_at), j.activities, j.override, j.country, j.tenant_locale, j.merge,
  coalesce((SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('client', e.client_id, 'outcome', e.outcome, 'code', e.code,
      'retained_until', e.retained_until)) ORDER BY e.client_id)
    FROM oubli.exceptions AS e WHERE e.job_id = t.job_id AND e.client_id = ANY(t.keys[:t.position])), '[]')
FROM (SELECT * FROM oubli.tasks
  WHERE kind <> 'mail' AND state IN ('done', 'failed', 'cancelled') AND ledger_outcome IS NULL ORDER BY id LIMIT $1) AS t
JOIN oubli.jobs AS j ON j.id = t.job_id`

// Outcomes are records of some batches and merges that have ended and whose outcome
// the ledger does not have. Of one that ended before there was a ledger they begin
// with its intent. One process at a time gets them.
func (s *Store) Outcomes(ctx context.Context) ([]jobs.LedgerRecord, error) {
	for {
		var any bool
		if err := s.pool.QueryRow(ctx, anyOutcomeSQL).Scan(&any); err != nil || !any {
			return nil, pgfault.Wrap("look for outcomes", err)
		}
		tag, err := s.pool.Exec(ctx, writeOutcomesSQL, s.id, outcomeLease)
		if err != nil || tag.RowsAffected() == 0 {
			return nil, pgfault.Wrap("look for outcomes", err)
		}
		records, silent, err := s.readOutcomes(ctx)
		if err == nil {
			err = s.setOutcome(ctx, silent, 0)
		}
		if err != nil || len(records) > 0 || len(silent) == 0 {
			return records, err
		}
	}
}

// readOutcomes also lists tasks of which there is nothing to say: of dry runs, and
// those that were cancelled before they began.
func (s *Store) readOutcomes(ctx context.Context) (records []jobs.LedgerRecord, silent []string, err error) {
	rows, err := s.pool.Query(ctx, outcomesSQL, outcomesAtOnce)
	if err != nil {
		return nil, nil, pgfault.Wrap("read outcomes", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c jobs.Claim
		var exceptions []jobs.LedgerException
		t := &c.Terms
		if err := rows.Scan(&c.TaskID, &c.JobID, &c.TenantID, &c.Keys, &c.Position, &c.Intent, &t.DryRun, &t.Reason, &t.Cutoff,
			&t.Listed, &t.Activities, &t.Override, &t.Country, &t.Locale, &t.Merge, &exceptions); err != nil {
			return nil, nil, pgfault.Wrap("read outcomes", err)
		}
		if t.DryRun || c.Intent == 0 && c.Position == 0 {
			silent = append(silent, c.TaskID)
			continue
		}
		intent := intentOf(&c)
		if c.Intent == 0 {
			intent.Late = true
			records = append(records, intent)
		}
		records = append(records, jobs.LedgerRecord{Record: jobs.OutcomeRecord, JobID: c.JobID, TaskID: c.TaskID, Kind: intent.Kind,
			Tenant: c.TenantID, Position: c.Position, Left: c.Keys[c.Position:], Exceptions: exceptions})
	}
	return records, silent, pgfault.Wrap("read outcomes", rows.Err())
}

// HasOutcomes stores that the ledger has these outcomes, in this object.
func (s *Store) HasOutcomes(ctx context.Context, records []jobs.LedgerRecord, seq int64) error {
	var tasks []string
	for _, r := range records {
		if r.Record == jobs.OutcomeRecord {
			tasks = append(tasks, r.TaskID)
		}
	}
	return s.setOutcome(ctx, tasks, seq)
}

func (s *Store) setOutcome(ctx context.Context, tasks []string, seq int64) error {
	if len(tasks) == 0 {
		return nil
	}
	_, err := s.pool.Exec(ctx, `UPDATE oubli.tasks SET ledger_outcome = $2::bigint,
		  ledger_intent = coalesce(ledger_intent, nullif($2::bigint, 0))
		WHERE id = ANY($1::uuid[])`, slices.Sorted(slices.Values(tasks)), seq)
	return pgfault.Wrap("store where outcomes are", err)
}

// intend tells the ledger what the sweep is about to do.
func (w *sweep) intend(ctx context.Context) error {
	if w.ledger == nil {
		return nil
	}
	_, err := w.ledger.Write(ctx, w.record(jobs.IntentRecord))
	return err
}

func (w *sweep) record(kind jobs.RecordKind) jobs.LedgerRecord {
	return jobs.LedgerRecord{Record: kind, Kind: jobs.LedgerSweep, Tenant: w.tenant,
		Sweep: &jobs.LedgerScan{Name: w.Name, Table: w.Table, Day: jobs.Date{Time: w.day}, Rule: w.Rule}}
}

// tellOutcome tells the ledger what the sweep did. Without it the ledger knows enough
// to sweep again, so the sweep does not wait for it.
func (w *sweep) tellOutcome(ctx context.Context) error {
	if w.ledger == nil || w.rows == 0 {
		return nil
	}
	r := w.record(jobs.OutcomeRecord)
	r.Sweep.Rows = w.rows
	_, err := w.ledger.Write(ctx, r)
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Code == jobs.CodeLedger {
		return nil
	}
	return err
}
