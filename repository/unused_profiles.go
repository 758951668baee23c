package repository

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
)

const (
	// unusedPause is the time between two looks for unused profiles.
	unusedPause = time.Hour
	// A profile that was made for a batch may be used by a later chunk: it stays for
	// unusedAge.
	unusedAge = "1 day"
)

// removeUnusedProfiles deletes, about once an hour, anonymous profiles to which no
// row refers any more, because the application has deleted what was kept on them or
// because they were never needed. The tenant's shared profile stays.
func (s *Store) removeUnusedProfiles(ctx context.Context, p *plan.Plan) error {
	last, now := s.unusedLooked.Load(), time.Now().Unix()
	if p.RemoveProfiles.SQL == "" || now-last < int64(unusedPause/time.Second) || !s.unusedLooked.CompareAndSwap(last, now) {
		return nil
	}
	rows, err := s.pool.Query(ctx, `
		SELECT tenant_id FROM oubli.anonymous_profiles
		WHERE slot > 1 AND replaced_at IS NULL AND created_at < now() - interval '`+unusedAge+`' GROUP BY 1`)
	if err != nil {
		return pgfault.Wrap("find unused profiles", err)
	}
	owners, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return pgfault.Wrap("find unused profiles", err)
	}
	for _, owner := range owners {
		var cause error
		err := s.tx(ctx, "remove unused profiles", func(tx pgx.Tx) error {
			cause = removeUnused(ctx, tx, p, owner)
			return cause
		})
		if err != nil && !errors.Is(cause, errStalePlan) { // otherwise the next look has a new plan
			return err
		}
	}
	return nil
}

// removeUnused deletes the unused profiles of one tenant. It holds the tenant's lock
// alone, so that no chunk has chosen one, and leaves tenants alone that are at work.
func removeUnused(ctx context.Context, tx pgx.Tx, p *plan.Plan, owner string) error {
	var free bool
	const lock = "SELECT pg_try_advisory_xact_lock(" + tenantLock + ") AND pg_try_advisory_xact_lock(" + profilesLock + ")"
	err := tx.QueryRow(ctx, lock, owner).Scan(&free)
	if err != nil || !free {
		return err
	}
	rows, err := tx.Query(ctx, `
		SELECT client_key FROM oubli.anonymous_profiles
		WHERE tenant_id = $1 AND slot > 1 AND replaced_at IS NULL AND created_at < now() - interval '`+unusedAge+`'
		  AND NOT EXISTS (SELECT FROM oubli.tasks WHERE profile_owner = $1 AND state = 'running')
		ORDER BY slot DESC LIMIT 500`, owner)
	if err != nil {
		return err
	}
	old, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(old) == 0 {
		return err
	}
	if err := pgsession.LimitStatements(ctx, tx); err != nil {
		return err
	}
	st := p.RemoveProfiles
	args, err := bind(profileCountParams{clientParams{tenantParams: tenantParams{owner}, keys: nil}, old}, st)
	if err != nil {
		return err
	}
	if rows, err = tx.Query(ctx, st.SQL, args...); err != nil {
		return err
	}
	removed, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(removed) == 0 {
		return err
	}
	// A table that the plan does not know might refer to a profile and lose rows with it.
	if _, err := tx.Exec(ctx, p.LockTables.SQL); err != nil {
		return err
	}
	var live string
	if err := tx.QueryRow(ctx, schema.FingerprintSQL).Scan(&live); err != nil {
		return err
	}
	if live != p.Fingerprint {
		return errStalePlan
	}
	_, err = tx.Exec(ctx, `
		DELETE FROM oubli.anonymous_profiles WHERE tenant_id = $1 AND client_key = ANY($2) AND replaced_at IS NULL`, owner, removed)
	return err
}
