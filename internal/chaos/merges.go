//go:build unix

package chaos

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/jobs"
)

// merges requests a merge of a few clients into another one or into the anonymous
// profile, or two merges of the same clients.
func (f *feeder) merges(ctx context.Context, studio int64) {
	keys := f.take(studio, 2+f.rand.IntN(4))
	if len(keys) < 2 {
		return
	}
	o := &order{tenant: fmt.Sprint(studio), merge: true, keys: slices.Clone(keys[1:])}
	switch f.rand.IntN(4) {
	case 0: // into the anonymous profile
	case 1:
		crossing := &order{tenant: o.tenant, merge: true, keys: []string{keys[0]}, target: keys[1]}
		f.busy.Go(func() { f.submitMerge(ctx, crossing) })
		fallthrough
	default:
		o.target = keys[0]
	}
	if !slices.Contains(o.keys, o.target) {
		f.submitMerge(ctx, o)
	}
}

// submitMerge is submit for a merge. When a source or the target is gone already,
// it is refused and there is no job.
func (f *feeder) submitMerge(ctx context.Context, o *order) {
	f.address(o)
	f.note(o)
	m := apiclient.Merge{TenantID: o.tenant, SourceIDs: o.keys, Target: apiclient.MergeTarget{ClientID: o.target, Anonymous: o.target == ""},
		DeleteSource: true, FillBlanks: true, Conflicts: jobs.FailOnConflict, Comment: o.comment(), Notify: o.notify}
	ctx = context.WithoutCancel(ctx)
	f.retry(ctx, "submit a merge", func() error {
		job, err := f.r.client.CreateMerge(ctx, m, f.key(o))
		if jobs.KindOf(err) == jobs.Invalid {
			f.mu.Lock()
			f.orders = slices.DeleteFunc(f.orders, func(other *order) bool { return other == o })
			f.mu.Unlock()
			return nil
		}
		return f.answered(o, job, err)
	})
}

// mergeCodes are the reasons why a merge may skip a source.
var mergeCodes = []string{jobs.CodeConflict, jobs.CodeValueConflict, jobs.CodeTargetNotFound, jobs.CodeTargetNobody}

// moved says where the rows of merged clients are now, according to the jobs.
type moved map[string]string

// owner returns who has a client's rows now; empty for the anonymous profile
// or nobody.
func (m moved) owner(client string, gone func(string) bool) string {
	for seen := 0; gone(client); seen++ {
		next, merged := m[client]
		if !merged || seen > len(m) {
			return ""
		}
		client = next
	}
	return client
}

// belongings counts the rows of every client in the tables that a merge moves.
const belongingsSQL = `
	SELECT client::text, count(*) FROM (
	  SELECT client_id AS client FROM appointments UNION ALL SELECT client_id FROM participations UNION ALL SELECT client_id FROM invoices
	  UNION ALL SELECT client_id FROM client_notes UNION ALL SELECT client_id FROM messages UNION ALL SELECT client_id FROM memberships
	  UNION ALL SELECT subject_id FROM audit_log WHERE subject_type = 'Client') AS rows
	GROUP BY client`

func belongings(ctx context.Context, pool *pgxpool.Pool) (map[string]int, error) {
	rows, err := pool.Query(ctx, belongingsSQL)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]int{}
	for rows.Next() {
		var client *string
		var n int
		if err := rows.Scan(&client, &n); err != nil {
			return nil, err
		}
		if client != nil {
			all[*client] = n
		}
	}
	return all, rows.Err()
}

// checkMoved checks that each target has all rows of its sources, and that no
// merged source has any. It returns the targets.
func (r *round) checkMoved(ctx context.Context, before *pgxpool.Pool, m moved, gone func(string) bool) (targets []string, err error) {
	was, err := belongings(ctx, before)
	if err != nil {
		return nil, err
	}
	is, err := belongings(ctx, r.pool)
	if err != nil {
		return nil, err
	}
	due := map[string]int{}
	for source := range m {
		if owner := m.owner(source, gone); owner != "" {
			if _, known := due[owner]; !known {
				due[owner] = was[owner]
			}
			due[owner] += was[source]
		}
	}
	for owner, n := range due {
		if is[owner] != n {
			r.violated("client %s took over from others, and has %d rows instead of %d", owner, is[owner], n)
		}
		targets = append(targets, owner)
	}
	for client, n := range is {
		if gone(client) {
			r.violated("%d rows still belong to client %s, who is gone", n, client)
		}
	}
	return targets, nil
}
