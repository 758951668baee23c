package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

const (
	selectionPart = 1000           // candidates in one part
	selectionLife = 24 * time.Hour // then it expires
)

// Select stores a list of a tenant's inactive clients that does not change any
// more. The list is made and kept in the database; it never is in this process.
func (s *Store) Select(ctx context.Context, req jobs.SelectionRequest) (jobs.Selection, error) {
	p, err := s.covered(ctx)
	if err != nil {
		return jobs.Selection{}, unavailableWithGaps(err)
	}
	for _, kind := range req.Without {
		if !slices.Contains(p.Activities(), kind) {
			return jobs.Selection{}, &jobs.Error{Kind: jobs.Invalid, Code: "unknown_activity",
				Msg: fmt.Sprintf("without takes the kinds of activity that the map knows: %v", p.Activities())}
		}
	}
	if len(p.Activities()) == 0 {
		return jobs.Selection{}, &jobs.Error{Kind: jobs.Invalid, Code: "unknown_activity",
			Msg: "the map names no activity, so nobody can be found inactive: add one under activity"}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return jobs.Selection{}, err
	}
	var law *jobs.Law
	if p.NeedsLaw {
		if law, err = s.readLaw(ctx, p, req.TenantID); err != nil {
			return jobs.Selection{}, pgfault.Wrap("read the tenant's calendar", err)
		}
	}
	var sel jobs.Selection
	err = s.tx(ctx, "select inactive clients", func(tx pgx.Tx) error {
		if _, _, err := tenantFacts(ctx, tx, p, req.TenantID); err != nil {
			return err
		}
		cutoff, err := cutoffOf(ctx, tx, req.Period, p.Map.MinPeriod)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO oubli.selections (id, tenant_id, created_by, expires_at, cutoff, activities)
			VALUES ($1, $2, $3, now() + $4::interval, $5, $6)`, id, req.TenantID, req.CreatedBy, selectionLife, cutoff, list(req.Without))
		if err != nil {
			return err
		}
		// PostgreSQL overestimates the cost of guards and would compile them, which
		// takes longer than it saves.
		if _, err := tx.Exec(ctx, "SET LOCAL jit = off"); err != nil {
			return err
		}
		if err := fillSelection(ctx, tx, p, req, id, cutoff, law); err != nil {
			return err
		}
		sel, err = readSelection(ctx, tx, req.TenantID, id.String())
		return err
	})
	return sel, err
}

// unavailableWithGaps makes gaps in the map an error of kind Unavailable: the
// caller of the API cannot correct them, the operator can.
func unavailableWithGaps(err error) error {
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Code == jobs.CodeSchema {
		return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeSchema, Msg: e.Msg}
	}
	return err
}

// cutoffOf is the time one period before now, by the calendar and the database's
// clock.
func cutoffOf(ctx context.Context, tx pgx.Tx, period, minimum string) (time.Time, error) {
	if !jobs.ValidPeriod(period) {
		return time.Time{}, &jobs.Error{Kind: jobs.Invalid, Code: "bad_period",
			Msg: "period must be an ISO 8601 period such as P1Y, P18M or P90D"}
	}
	var cutoff time.Time
	var enough bool
	err := tx.QueryRow(ctx, `
		SELECT now() - $1::text::interval, now() - $1::text::interval <= now() - $2::text::interval`,
		period, minimum).Scan(&cutoff, &enough)
	if err != nil {
		return time.Time{}, err
	}
	if cutoff.Year() < 1 { // JSON cannot represent earlier years
		return time.Time{}, &jobs.Error{Kind: jobs.Invalid, Code: "bad_period",
			Msg: "period is too long: want one such as P1Y, P18M or P90D"}
	}
	if !enough {
		return time.Time{}, &jobs.Error{Kind: jobs.Invalid, Code: "period_too_short",
			Msg: "period must be at least " + minimum + ", the minimum that the map sets"}
	}
	return cutoff, nil
}

func fillSelection(ctx context.Context, tx pgx.Tx, p *plan.Plan, req jobs.SelectionRequest, id uuid.UUID,
	cutoff time.Time, law *jobs.Law,
) error {
	st := p.Candidates(req.Without, req.IncludeNew)
	args, err := bind(selectionParams{forTenant(p, req.TenantID), cutoff, law}, st)
	if err != nil {
		return err
	}
	n := len(args)
	_, err = tx.Exec(ctx, fmt.Sprintf(`
		WITH candidate AS (%s),
		parts AS (
		  INSERT INTO oubli.selection_parts (selection_id, number, keys, codes)
		  SELECT $%d, n / $%d, array_agg(key ORDER BY n), array_agg(code ORDER BY n) FROM candidate GROUP BY n / $%d)
		UPDATE oubli.selections SET
		  candidates = (SELECT count(*) FROM candidate),
		  blocked = coalesce((SELECT jsonb_object_agg(code, held) FROM (
		    SELECT code, count(*) AS held FROM candidate WHERE code <> '' GROUP BY code) AS c), '{}')
		WHERE id = $%d`, st.SQL, n+1, n+2, n+2, n+1), append(args, id, selectionPart)...)
	return err
}

// selectionSQL reads selections with the number of their clients that would be
// erased. Here and below, keys are compared by IN (SELECT …) and NOT IN, which
// PostgreSQL always executes with a hash table. A join could become a nested loop,
// because a new selection has no statistics yet. = ANY of a stored array, or of a
// parameter in a generic plan, compares every candidate with every element.
const selectionSQL = `
SELECT s.id::text, s.tenant_id, s.cutoff, s.candidates, s.blocked, s.expires_at, coalesce(s.job_id::text, ''),
  cardinality(s.excluded), s.excluded_blocked, s.created_at, s.created_by
FROM oubli.selections AS s`

func readSelection(ctx context.Context, tx pgx.Tx, tenant, id string) (jobs.Selection, error) {
	rows, err := tx.Query(ctx, selectionSQL+" WHERE s.id = $1 AND ($2 = '*' OR s.tenant_id = $2)", id, tenant)
	if err != nil {
		return jobs.Selection{}, err
	}
	sel, err := pgx.CollectExactlyOneRow(rows, scanSelection)
	if errors.Is(err, pgx.ErrNoRows) {
		return sel, noSelection()
	}
	return sel, err
}

func scanSelection(row pgx.CollectableRow) (jobs.Selection, error) {
	var sel jobs.Selection
	var candidates, excludedBlocked int
	err := row.Scan(&sel.ID, &sel.TenantID, &sel.Cutoff, &candidates, &sel.Blocked, &sel.ExpiresAt, &sel.ErasureID,
		&sel.Excluded, &excludedBlocked, &sel.CreatedAt, &sel.CreatedBy)
	held := 0
	for _, n := range sel.Blocked {
		held += n
	}
	sel.Total = candidates - held - (sel.Excluded - excludedBlocked)
	return sel, err
}

// Selections lists selections, the newest first.
func (s *Store) Selections(ctx context.Context, f jobs.SelectionFilter) (jobs.List[jobs.Selection], error) {
	before := "ffffffff-ffff-ffff-ffff-ffffffffffff"
	if f.Cursor != "" {
		id, err := uuid.Parse(f.Cursor)
		if err != nil {
			return jobs.List[jobs.Selection]{}, badCursor()
		}
		before = id.String()
	}
	sql, args := selectionSQL+" WHERE s.id < $1", []any{before, f.Limit + 1}
	if f.TenantID != jobs.AnyTenant {
		sql, args = sql+" AND s.tenant_id = $3", append(args, f.TenantID)
	}
	rows, err := s.pool.Query(ctx, sql+" ORDER BY s.id DESC LIMIT $2", args...)
	if err != nil {
		return jobs.List[jobs.Selection]{}, pgfault.Wrap("list selections", err)
	}
	items, err := pgx.CollectRows(rows, scanSelection)
	if err != nil {
		return jobs.List[jobs.Selection]{}, pgfault.Wrap("list selections", err)
	}
	return page(items, f.Limit, func(sel jobs.Selection) string { return sel.ID }), nil
}

func noSelection() error {
	return &jobs.Error{Kind: jobs.Missing, Code: "not_found", Msg: "no such selection"}
}

// Selection reads one selection. Another tenant's is missing.
func (s *Store) Selection(ctx context.Context, tenant, id string) (sel jobs.Selection, err error) {
	if _, err := uuid.Parse(id); err != nil {
		return sel, noSelection()
	}
	err = s.tx(ctx, "read selection", func(tx pgx.Tx) error {
		sel, err = readSelection(ctx, tx, tenant, id)
		return err
	})
	return sel, err
}

// Tick excludes and includes candidates and returns the new counts. A request that
// names a client who is no candidate is refused as a whole.
func (s *Store) Tick(ctx context.Context, tenant, id string, ticks jobs.Ticks) (jobs.Selection, error) {
	p, err := s.basics(ctx)
	if err != nil {
		return jobs.Selection{}, err
	}
	var sel jobs.Selection
	err = s.tx(ctx, "tick candidates", func(tx pgx.Tx) error {
		locked, err := lockSelection(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		exclude, include, err := ticked(ctx, tx, p, locked.tenant, ticks)
		if err != nil {
			return err
		}
		var unknown int
		err = tx.QueryRow(ctx, `
			SELECT cardinality($2::text[]) - count(*) FILTER (WHERE c.key IN (SELECT unnest($2::text[])))
			FROM oubli.selection_parts AS part, unnest(part.keys) AS c(key)
			WHERE part.selection_id = $1`, id, list(slices.Concat(exclude, include))).Scan(&unknown)
		if err != nil {
			return err
		}
		if unknown > 0 {
			return &jobs.Error{Kind: jobs.Invalid, Code: "not_a_candidate",
				Msg: fmt.Sprintf("no candidates of this selection: %d of the clients named", unknown)}
		}
		_, err = tx.Exec(ctx, `
			UPDATE oubli.selections SET excluded = ARRAY(
			  SELECT unnest(excluded) EXCEPT SELECT unnest($3::text[]) UNION SELECT unnest($2::text[]))
			WHERE id = $1`, id, exclude, include)
		if err != nil {
			return err
		}
		if sel, err = readSelection(ctx, tx, tenant, id); err != nil || len(include) == 0 {
			return err
		}
		sel.StillBlocked, err = stillBlocked(ctx, tx, id, include)
		return err
	})
	return sel, err
}

// stillBlocked finds which of the clients that were included a guard protects.
func stillBlocked(ctx context.Context, tx pgx.Tx, id string, include []string) (map[string]string, error) {
	rows, err := tx.Query(ctx, `
		SELECT c.key, c.code FROM oubli.selection_parts AS part, unnest(part.keys, part.codes) AS c(key, code)
		WHERE part.selection_id = $1 AND c.code <> '' AND c.key IN (SELECT unnest($2::text[]))`, id, include)
	if err != nil {
		return nil, err
	}
	blocked := map[string]string{}
	var key, code string
	_, err = pgx.ForEachRow(rows, []any{&key, &code}, func() error { blocked[key] = code; return nil })
	return blocked, err
}

// ticked gives the canonical keys of the clients to exclude and to include.
func ticked(ctx context.Context, tx pgx.Tx, p *plan.Plan, tenant string, ticks jobs.Ticks) (exclude, include []string, err error) {
	k, err := readKeys(ctx, tx, p, tenant, slices.Concat(ticks.Exclude, ticks.Include)...)
	if err != nil {
		return nil, nil, err
	}
	if exclude, err = k.keys("exclude", ticks.Exclude); err != nil {
		return nil, nil, err
	}
	if include, err = k.keys("include", ticks.Include); err != nil {
		return nil, nil, err
	}
	out := map[string]bool{}
	for _, key := range exclude {
		out[key] = true
	}
	if slices.ContainsFunc(include, func(key string) bool { return out[key] }) {
		return nil, nil, &jobs.Error{Kind: jobs.Invalid, Code: "contradiction", Msg: "a client cannot be in exclude and include at once"}
	}
	return exclude, include, nil
}

// usableSelection is a selection whose row is locked and that can still be used.
type usableSelection struct {
	tenant     string
	cutoff     time.Time
	listed     time.Time // when its candidates were listed
	activities []string
}

// lockSelection locks a selection's row. The selection must neither have expired
// nor been used.
func lockSelection(ctx context.Context, tx pgx.Tx, tenant, id string) (usableSelection, error) {
	var c usableSelection
	var expired, used bool
	err := tx.QueryRow(ctx, `SELECT tenant_id, cutoff, created_at, activities, expires_at < now(), job_id IS NOT NULL
		FROM oubli.selections WHERE id = $1 AND ($2 = '*' OR tenant_id = $2) FOR UPDATE`, id, tenant).
		Scan(&c.tenant, &c.cutoff, &c.listed, &c.activities, &expired, &used)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return c, noSelection()
	case err != nil:
		return c, err
	case used:
		return c, &jobs.Error{Kind: jobs.Conflict, Code: "selection_used",
			Msg: "this selection has been used for an erasure: make a new one"}
	case expired:
		return c, &jobs.Error{Kind: jobs.Conflict, Code: "selection_expired", Msg: "this selection has expired: make a new one"}
	}
	return c, nil
}

// useSelection makes the tasks of a job from a selection; the keys stay in the
// database. It fails unless the tasks hold as many clients as the request
// expects.
func (s *Store) useSelection(ctx context.Context, tx pgx.Tx, job uuid.UUID, req jobs.ErasureRequest, runAt time.Time) error {
	queue := jobs.Bulk
	if req.ExpectedCount <= s.opts.BatchClients {
		queue = jobs.Interactive
	}
	var total int
	err := tx.QueryRow(ctx, `
		WITH kept AS (
		  SELECT c.key, row_number() OVER (ORDER BY part.number, c.place) - 1 AS n
		  FROM oubli.selection_parts AS part
		  CROSS JOIN LATERAL unnest(part.keys, part.codes) WITH ORDINALITY AS c(key, code, place)
		  WHERE part.selection_id = $1 AND (c.code = '' OR c.code = ANY($2::text[]))
		    AND c.key NOT IN (SELECT unnest(excluded) FROM oubli.selections WHERE id = $1)),
		made AS (
		  INSERT INTO oubli.tasks (id, job_id, tenant_id, kind, queue, number, run_at, keys)
		  SELECT gen_random_uuid(), $3, $4, 'batch', $5, n / $7::int + 1, $6, array_agg(key ORDER BY n) FROM kept GROUP BY n / $7::int)
		SELECT count(*) FROM kept`,
		req.SelectionID, list(req.Override), job, req.TenantID, queue, runAt, s.opts.BatchClients).Scan(&total)
	if err != nil {
		return err
	}
	if total != req.ExpectedCount {
		return &jobs.Error{Kind: jobs.Conflict, Code: "count_changed", Msg: fmt.Sprintf(
			"the selection now has %d to erase and expected_count says %d: read it again", total, req.ExpectedCount)}
	}
	if req.DryRun {
		return nil // a dry run does not use the selection up
	}
	_, err = tx.Exec(ctx, "UPDATE oubli.selections SET job_id = $2 WHERE id = $1", req.SelectionID, job)
	return err
}
