package repository

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// AcceptMerge stores a merge, its task and its idempotency key in one
// transaction. It refuses a source or a target that is no client of the tenant. If
// one is erased later, before the merge reaches it, its outcome says so.
func (s *Store) AcceptMerge(ctx context.Context, req jobs.MergeRequest, key jobs.IdempotencyKey) (job jobs.Job, replayed bool, err error) {
	return s.acceptOnce(ctx, "accept merge", key, func(tx pgx.Tx, p *plan.Plan) (jobs.Job, error) {
		k, err := readKeys(ctx, tx, p, req.TenantID, append(slices.Clone(req.SourceIDs), req.Target)...)
		if err != nil {
			return jobs.Job{}, err
		}
		keys, target, err := mergeKeys(p, k, req)
		if err != nil {
			return jobs.Job{}, err
		}
		req.Target = target
		if err := knownClients(ctx, tx, p, k, req, keys); err != nil {
			return jobs.Job{}, err
		}
		return s.insertMerge(ctx, tx, p, req, keys)
	})
}

// mergeKeys gives the canonical keys of a merge's sources and of its target,
// and refuses a merge that the map does not allow.
func mergeKeys(p *plan.Plan, k keyReader, req jobs.MergeRequest) (sources []string, target string, err error) {
	if req.Target != "" && p.Merge != nil && len(p.Merge.Refused) > 0 {
		return nil, "", merging(p.Merge.Refused)
	}
	sources, err = k.keys("source_client_ids", req.SourceIDs)
	if err != nil {
		return nil, "", err
	}
	if req.Target != "" {
		var ok bool
		if target, ok = k.key(req.Target); !ok {
			return nil, "", refuse("bad_client_id", "target.client_id must be a key of type %s", p.KeyKind)
		}
	}
	if slices.Contains(sources, target) {
		return nil, "", refuse("target_is_source", "target.client_id is one of source_client_ids: a client cannot be merged into itself")
	}
	return sources, target, nil
}

func refuse(code, msg string, a ...any) error {
	return &jobs.Error{Kind: jobs.Invalid, Code: code, Msg: fmt.Sprintf(msg, a...)}
}

// merging says why clients cannot be merged under the map as it is.
func merging(refused plan.Gaps) error {
	return &jobs.Error{Kind: jobs.Conflict, Code: "merges_refused", Msg: "the map does not allow merges: " + refused.Summary()}
}

// knownClients refuses a merge of or into somebody who is not the tenant's.
func knownClients(ctx context.Context, tx pgx.Tx, p *plan.Plan, k keyReader, req jobs.MergeRequest, keys []string) error {
	if req.Target != "" {
		keys = append(slices.Clone(keys), req.Target)
	}
	args, err := bind(forClients(p, req.TenantID, keys), p.FindClients)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, p.FindClients.SQL, args...)
	if err != nil {
		return err
	}
	nobody := map[string]bool{}
	var key string
	var profile bool
	if _, err := pgx.ForEachRow(rows, []any{&key, &profile}, func() error {
		nobody[key] = profile
		return nil
	}); err != nil {
		return err
	}
	if profile, found := nobody[req.Target]; req.Target != "" && !found {
		return refuse("unknown_target", "target.client_id is no client of this tenant")
	} else if profile {
		return refuse(jobs.CodeTargetNobody, `target.client_id is the anonymous profile: write "target": {"anonymous": true}`)
	}
	if at := places(k, req.SourceIDs, func(key string) bool { _, found := nobody[key]; return !found }); at != "" {
		return refuse("unknown_source", "source_client_ids must be clients of this tenant; those at index %s are not", at)
	}
	if at := places(k, req.SourceIDs, func(key string) bool { return nobody[key] }); at != "" {
		return refuse("source_is_anonymous", "source_client_ids cannot hold an anonymous profile, as at index %s", at)
	}
	return nil
}

// places lists at which indexes a request holds keys that are meant, at most
// ten of them; "" when nowhere.
func places(k keyReader, raw []string, meant func(key string) bool) string {
	var at []string
	for i, r := range raw {
		if key, ok := k.key(r); ok && meant(key) && len(at) < 10 {
			at = append(at, strconv.Itoa(i))
		}
	}
	return strings.Join(at, ", ")
}

const insertMergeSQL = `
INSERT INTO oubli.jobs (id, kind, tenant_id, state, merge, comment, created_by,
  notify, locale, country, tenant_locale, requested, not_before, dry_run)
VALUES ($1, 'merge', $2, 'scheduled', $3, $4, $5, $6, $7, $8, $9, $10, nullif(now() + $11::interval, now()), $12)
RETURNING coalesce(not_before, now())`

func (s *Store) insertMerge(ctx context.Context, tx pgx.Tx, p *plan.Plan, req jobs.MergeRequest, keys []string) (jobs.Job, error) {
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
	grace := s.opts.Grace
	if req.DryRun {
		grace = 0 // a dry run changes nothing that somebody could want back
	}
	terms := jobs.MergeTerms{
		Target:       req.Target,
		Anonymous:    req.Target == "",
		DeleteSource: req.DeleteSource,
		FillBlanks:   req.FillBlanks,
		Conflicts:    req.Conflicts,
	}
	var runAt time.Time
	err = tx.QueryRow(ctx, insertMergeSQL, id, req.TenantID, terms, req.Comment, req.CreatedBy,
		list(slices.Compact(slices.Sorted(slices.Values(req.Notify)))), req.Locale, country, locale, len(keys), grace, req.DryRun).Scan(&runAt)
	if err != nil {
		return jobs.Job{}, err
	}
	task, err := uuid.NewV7()
	if err != nil {
		return jobs.Job{}, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO oubli.tasks (id, job_id, tenant_id, kind, queue, number, run_at, keys)
		VALUES ($1, $2, $3, $4, $5, 1, $6, $7)`,
		task, id, req.TenantID, jobs.MergeTask, jobs.Interactive, runAt, keys)
	if err != nil {
		return jobs.Job{}, err
	}
	if err := storeTrace(ctx, tx, id.String()); err != nil {
		return jobs.Job{}, err
	}
	return readJob(ctx, tx, jobs.Merge, jobs.AnyTenant, id.String())
}
