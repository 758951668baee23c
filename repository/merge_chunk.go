package repository

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// mergesAllowed blocks the job, and fails none of its sources, when the map has
// been edited since and allows no merges any more.
func mergesAllowed(p *plan.Plan, m *jobs.MergeTerms) error {
	if m.Anonymous || len(p.Merge.Refused) == 0 {
		return nil
	}
	e, _ := errors.AsType[*jobs.Error](merging(p.Merge.Refused))
	return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Msg: e.Msg}
}

// mergeWrites are the statements that merge a source, and whether they re-point
// rows to the tenant's shared profile. A merge into the anonymous profile is an
// erasure: the profile is nobody, so no personal data may move to it.
func mergeWrites(p *plan.Plan, m *jobs.MergeTerms) (writes []plan.Statement, usesSharedProfile bool) {
	if m.Anonymous {
		if m.DeleteSource {
			return p.Erase, p.UsesSharedProfile
		}
		return p.EraseRelatedRows, p.UsesSharedProfile
	}
	writes = slices.Clone(p.Merge.DeleteRows)
	if m.Conflicts == jobs.KeepTarget {
		writes = append(writes, p.Merge.DropDuplicates...)
	}
	writes = append(writes, p.Merge.MoveRows...)
	switch {
	case m.DeleteSource && m.FillBlanks:
		return append(writes, p.Merge.FillAndEraseSource...), p.Merge.UsesSharedProfile
	case m.DeleteSource:
		return append(writes, p.Merge.EraseSource...), p.Merge.UsesSharedProfile
	case m.FillBlanks && p.Merge.FillTarget.SQL != "":
		writes = append(writes, p.Merge.FillTarget)
	}
	return writes, false
}

// mergeProof is how a merge proves what it did. One that keeps its source proves
// nothing of the source's own row.
func mergeProof(p *plan.Plan, m *jobs.MergeTerms) plan.Proof {
	switch {
	case m.Anonymous && m.DeleteSource:
		return p.Proof
	case m.Anonymous:
		return p.ProofRelatedRows
	case m.DeleteSource:
		return p.Merge.Proof
	}
	return plan.Proof{}
}

const conflictsSQL = `
UPDATE oubli.tasks SET conflicts = (
  SELECT jsonb_object_agg(key, total) FROM (
    SELECT key, sum(value::bigint) AS total FROM (
      SELECT * FROM jsonb_each_text(conflicts) UNION ALL SELECT * FROM jsonb_each_text($2::jsonb)) AS a GROUP BY key) AS s)
WHERE id = $1`

// intoClient says whether the chunk merges a source into another client. A merge
// into the anonymous profile is judged and written like an erasure.
func (ch chunk) intoClient() bool {
	m := ch.claim.Terms.Merge
	return m != nil && !m.Anonymous
}

// judgeMerge opens the transaction of one source and finds out, in one round
// trip, whether it can be merged: under the locks, and before anything is
// written, it looks for every conflict that can be foreseen.
func (s *Store) judgeMerge(ctx context.Context, conn *pgx.Conn, ch chunk) (*verdict, error) {
	terms, p := ch.claim.Terms.Merge, ch.plan
	var hold []plan.Statement
	if terms.Conflicts == jobs.KeepTarget {
		hold = p.Merge.LockConflicts
	}
	source, target := mergeParams[judgeParams]{ch.judgeParams(), terms.Target}, ch.clients([]string{terms.Target})
	b := &pgx.Batch{}
	err := errors.Join(s.queueLocks(b, ch), queue(b, source, p.LiveProfiles, p.Merge.LockTarget), queue(b, target, p.FindClients),
		queue(b, source, p.Merge.Guards), queue(b, source, hold...))
	for _, x := range p.Merge.Conflicts {
		err = errors.Join(err, queue(b, source, x.Statement))
	}
	if err != nil {
		return nil, err
	}
	results := conn.SendBatch(ctx, b)
	v, err := readMergeVerdict(results, ch, len(hold))
	return v, errors.Join(err, results.Close())
}

func readMergeVerdict(results pgx.BatchResults, ch chunk, holds int) (*verdict, error) {
	locks, err := readLocks(results, ch)
	if err != nil {
		return nil, err
	}
	v := &verdict{owned: map[string][]string{}}
	if v.profiles, err = readProfiles(results); err != nil {
		return nil, err
	}
	target, err := readTarget(results)
	if err != nil {
		return nil, err
	}
	known, err := readKnown(results)
	if err != nil {
		return nil, err
	}
	if err := v.readGuards(results, ch, locks); err != nil {
		return nil, err
	}
	for range holds {
		if _, err := results.Exec(); err != nil {
			return nil, err
		}
	}
	code, err := v.readConflicts(results, ch.plan.Merge.Conflicts, ch.claim.Terms.Merge)
	if err != nil {
		return nil, err
	}
	isProfile, found := known[ch.claim.Terms.Merge.Target]
	switch {
	case len(v.erase) == 0: // a guard holds, or the source is gone, or others have locked it
		v.conflicts = nil
	case !found:
		v.failAll(jobs.CodeTargetNotFound)
	case isProfile:
		v.failAll(jobs.CodeTargetNobody)
	case target.newer: // the client who was meant is gone
		v.failAll(jobs.CodeTargetNotFound)
	case !target.ours:
		v.deferred, v.erase, v.counts, v.conflicts = v.erase, nil, jobs.Counts{}, nil
	case code != "":
		v.failAll(code)
	}
	v.keepOwned(ch.plan.OwnedColumns, locks)
	return v, nil
}

// lockedTarget is the target of a merge.
type lockedTarget struct {
	ours  bool // its row is locked
	newer bool // it is a client who was created after the merge was asked for
}

func readTarget(results pgx.BatchResults) (lockedTarget, error) {
	t := lockedTarget{ours: true}
	err := results.QueryRow().Scan(&t.newer)
	if errors.Is(err, pgx.ErrNoRows) {
		return lockedTarget{}, nil
	}
	return t, err
}

// failAll fails all clients that would have been merged.
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

// readConflicts notes the conflicting rows, and gives the code of the reason when
// they prevent the merge of the source.
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
