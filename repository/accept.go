package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// AcceptErasure stores a job, its tasks and its idempotency key in one
// transaction. It does not need Redis. If the key is known with the same hash, it
// returns the first answer again, and replayed is true.
func (s *Store) AcceptErasure(ctx context.Context, req jobs.ErasureRequest, key jobs.IdempotencyKey) (
	job jobs.Job, replayed bool, err error,
) {
	return s.acceptOnce(ctx, "accept erasure", key, func(tx pgx.Tx, p *plan.Plan) (jobs.Job, error) {
		var keys []string
		if req.SelectionID == "" {
			k, err := readKeys(ctx, tx, p, req.TenantID, req.ClientIDs...)
			if err != nil {
				return jobs.Job{}, err
			}
			if keys, err = k.keys("client_ids", req.ClientIDs); err != nil {
				return jobs.Job{}, err
			}
		}
		if err := overridable(p, req.Override); err != nil {
			return jobs.Job{}, err
		}
		return s.insertErasure(ctx, tx, p, req, keys)
	})
}

// overridable checks that the map allows each of these guards to be overridden.
func overridable(p *plan.Plan, override []string) error {
	var allowed []string
	for _, g := range p.Map.Guards {
		if g.Overridable {
			allowed = append(allowed, g.Name)
		}
	}
	for _, name := range override {
		if !slices.Contains(allowed, name) {
			return &jobs.Error{Kind: jobs.Invalid, Code: "not_overridable",
				Msg: fmt.Sprintf("override takes only guards that the map calls overridable: %v", allowed)}
		}
	}
	return nil
}

const insertJobSQL = `
INSERT INTO oubli.jobs (id, kind, tenant_id, state, reason, cutoff, activities, override, comment, created_by,
  notify, locale, country, tenant_locale, requested, not_before, dry_run, listed_at)
VALUES ($1, 'erasure', $2, 'scheduled', $3, coalesce($14::timestamptz, CASE WHEN $3 = 'inactivity' THEN now() END), $15, $4, $5, $6,
  $7, $8, $9, $10, $11,
  nullif(CASE WHEN $12::timestamptz > now() THEN $12::timestamptz ELSE now() + greatest($13::interval, '0') END, now()), $16, $17)
RETURNING coalesce(not_before, now())`

func (s *Store) insertErasure(ctx context.Context, tx pgx.Tx, p *plan.Plan, req jobs.ErasureRequest, keys []string) (jobs.Job, error) {
	// A selection has a cutoff of its own. Without one, a client counts as active
	// for what happens from now on.
	var cutoff, listed *time.Time
	var activities []string
	requested := len(keys)
	if req.SelectionID != "" {
		sel, err := lockSelection(ctx, tx, req.TenantID, req.SelectionID)
		if err != nil {
			return jobs.Job{}, err
		}
		req.TenantID, cutoff, listed, activities, requested = sel.tenant, &sel.cutoff, &sel.listed, sel.activities, req.ExpectedCount
	}
	country, locale, err := tenantFacts(ctx, tx, p, req.TenantID)
	if err != nil {
		return jobs.Job{}, err
	}
	if req.Locale == "" {
		req.Locale = locale
	}
	id, err := uuid.NewV7()
	if err != nil {
		return jobs.Job{}, err
	}
	var notBefore *time.Time
	if !req.NotBefore.IsZero() {
		notBefore = &req.NotBefore
	}
	var runAt time.Time
	grace := s.opts.Grace
	if req.DryRun {
		grace = 0 // a dry run changes nothing that somebody could want back
	}
	err = tx.QueryRow(ctx, insertJobSQL, id, req.TenantID, req.Reason, list(req.Override), req.Comment, req.CreatedBy,
		list(slices.Compact(slices.Sorted(slices.Values(req.Notify)))), req.Locale, country, locale, requested, notBefore, grace,
		cutoff, list(activities), req.DryRun, listed).Scan(&runAt)
	if err != nil {
		return jobs.Job{}, err
	}
	if req.SelectionID != "" {
		err = s.useSelection(ctx, tx, id, req, runAt)
	} else {
		err = s.insertBatches(ctx, tx, id, req.TenantID, keys, runAt)
	}
	if err != nil {
		return jobs.Job{}, err
	}
	if err := storeTrace(ctx, tx, id.String()); err != nil {
		return jobs.Job{}, err
	}
	if requested == 0 {
		if err := s.endJob(ctx, tx, id.String()); err != nil {
			return jobs.Job{}, err
		}
	}
	return readJob(ctx, tx, jobs.Erasure, jobs.AnyTenant, id.String())
}

// insertBatches stores the keys in tasks of BatchClients keys. An erasure of one
// batch goes to the interactive queue, so that it does not wait for big ones.
func (s *Store) insertBatches(ctx context.Context, tx pgx.Tx, job uuid.UUID, tenant string, keys []string, runAt time.Time) error {
	queue := jobs.Bulk
	if len(keys) <= s.opts.BatchClients {
		queue = jobs.Interactive
	}
	var rows [][]any
	for part := range slices.Chunk(keys, s.opts.BatchClients) {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		rows = append(rows, []any{id, job, tenant, string(jobs.BatchTask), string(queue), len(rows) + 1, runAt, part})
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"oubli", "tasks"},
		[]string{"id", "job_id", "tenant_id", "kind", "queue", "number", "run_at", "keys"}, pgx.CopyFromRows(rows))
	return err
}

// tenantFacts reads the tenant's country and language; the tenant must exist.
func tenantFacts(ctx context.Context, db querier, p *plan.Plan, tenant string) (country, locale string, err error) {
	if p.Tenant.SQL == "" {
		return "", "", nil
	}
	err = db.QueryRow(ctx, p.Tenant.SQL, tenant).Scan(&country, &locale)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", "", &jobs.Error{Kind: jobs.Invalid, Code: "unknown_tenant", Msg: "no such tenant"}
	}
	return country, locale, err
}

// list replaces nil by an empty slice, because the columns are NOT NULL.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
