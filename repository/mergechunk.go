package repository

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// mayMerge holds up the job, not its sources, when the map has come to allow
// no merges since it was accepted.
func mayMerge(p *plan.Plan, m *jobs.MergeTerms) error {
	if m.Anonymous || len(p.Merge.Refused) == 0 {
		return nil
	}
	e, _ := errors.AsType[*jobs.Error](merging(p.Merge.Refused))
	return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Msg: e.Msg}
}

// mergeRun is what becomes of a source, and whether it takes the tenant's
// shared profile. The anonymous profile takes over what an erasure leaves, by
// an erasure's rules: it is nobody, and nothing of a person may come to stand
// on it.
func mergeRun(p *plan.Plan, m *jobs.MergeTerms) (run []plan.Statement, shared bool) {
	if m.Anonymous {
		if m.DeleteSource {
			return p.Erase, p.UsesSharedProfile
		}
		return p.EraseRelatedRows, p.UsesSharedProfile
	}
	run = slices.Clone(p.Merge.DeleteRows)
	if m.Conflicts == jobs.KeepTarget {
		run = append(run, p.Merge.DropDuplicates...)
	}
	run = append(run, p.Merge.MoveRows...)
	switch {
	case m.DeleteSource && m.FillBlanks:
		return append(run, p.Merge.FillAndEraseSource...), p.Merge.UsesSharedProfile
	case m.DeleteSource:
		return append(run, p.Merge.EraseSource...), p.Merge.UsesSharedProfile
	case m.FillBlanks && p.Merge.FillTarget.SQL != "":
		run = append(run, p.Merge.FillTarget)
	}
	return run, false
}

const conflictsSQL = `
UPDATE oubli.tasks SET conflicts = (
  SELECT jsonb_object_agg(key, total) FROM (
    SELECT key, sum(value::bigint) AS total FROM (
      SELECT * FROM jsonb_each_text(conflicts) UNION ALL SELECT * FROM jsonb_each_text($2::jsonb)) AS a GROUP BY key) AS s)
WHERE id = $1`

// decideMerge opens the transaction of one source and finds out, in one round
// trip, whether it can be merged: everything that can be foreseen is looked at
// under the locks and before anything is written.
func (s *Store) decideMerge(ctx context.Context, conn *pgx.Conn, p *plan.Plan, v *values) (*verdict, error) {
	terms := v.claim.Terms.Merge
	var hold []plan.Statement
	if terms.Conflicts == jobs.KeepTarget {
		hold = p.Merge.LockConflicts
	}
	target := *v
	target.keys = []string{terms.Target}
	b := &pgx.Batch{}
	err := errors.Join(s.opening(b, p, v), v.queue(b, p.LiveProfiles, p.Merge.LockTarget), target.queue(b, p.FindClients), v.queue(b, p.Merge.Guards), v.queue(b, hold...))
	for _, x := range p.Merge.Conflicts {
		err = errors.Join(err, v.queue(b, x.Statement))
	}
	if err != nil {
		return nil, err
	}
	results := conn.SendBatch(ctx, b)
	out, err := readMergeVerdict(results, p, v, len(hold))
	return out, errors.Join(err, results.Close())
}

func readMergeVerdict(results pgx.BatchResults, p *plan.Plan, v *values, holds int) (*verdict, error) {
	locked, err := readOpening(results, p)
	if err != nil {
		return nil, err
	}
	out := &verdict{owned: map[string][]string{}, profiles: map[int]string{}}
	if err := out.readProfiles(results); err != nil {
		return nil, err
	}
	held, err := readLocked(results, nil)
	if err != nil {
		return nil, err
	}
	known, err := readKnown(results)
	if err != nil {
		return nil, err
	}
	if err := out.readJudgement(results, p, v, locked); err != nil {
		return nil, err
	}
	for range holds {
		if _, err := results.Exec(); err != nil {
			return nil, err
		}
	}
	code, err := out.readConflicts(results, p.Merge.Conflicts, v.claim.Terms.Merge)
	if err != nil {
		return nil, err
	}
	target := v.claim.Terms.Merge.Target
	nobody, found := known[target]
	_, free := held[target]
	switch {
	case len(out.erase) == 0: // a guard holds, or it is gone, or held by others
		out.conflicts = nil
	case !found:
		out.failAll(jobs.CodeTargetNotFound)
	case nobody:
		out.failAll(jobs.CodeTargetNobody)
	case !free:
		out.deferred, out.erase, out.counts, out.conflicts = out.erase, nil, jobs.Counts{}, nil
	case code != "":
		out.failAll(code)
	}
	out.keepOwned(p.OwnedColumns, locked)
	return out, nil
}

// failAll leaves all those out who would have been merged.
func (v *verdict) failAll(code string) {
	keys := v.erase
	v.erase, v.counts = nil, jobs.Counts{}
	for _, key := range keys {
		v.except(jobs.Exception{ClientID: key, Outcome: jobs.FailedOutcome, Code: code})
	}
	if code != jobs.CodeConflict && code != jobs.CodeValueConflict {
		v.conflicts = nil
	}
}

func readKnown(results pgx.BatchResults) (map[string]bool, error) {
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	var key string
	var profile bool
	_, err = pgx.ForEachRow(rows, []any{&key, &profile}, func() error {
		known[key] = profile
		return nil
	})
	return known, err
}

// readConflicts notes the rows that stand in the way, and gives the code of the
// reason when they keep the source from being merged.
func (v *verdict) readConflicts(results pgx.BatchResults, all []plan.Conflict, m *jobs.MergeTerms) (code string, err error) {
	for _, x := range all {
		var n, stuck int64
		if err := results.QueryRow().Scan(&n, &stuck); err != nil {
			return "", err
		}
		if n == 0 || x.OnDelete && !m.DeleteSource {
			continue
		}
		if v.conflicts == nil {
			v.conflicts = map[string]int64{}
		}
		v.conflicts[x.Statement.Table] += n
		switch {
		case x.CarriesValue:
			code = jobs.CodeValueConflict
		case code == "" && (m.Conflicts == jobs.FailOnConflict || x.NeverDropped || stuck > 0):
			code = jobs.CodeConflict
		}
	}
	return code, nil
}
