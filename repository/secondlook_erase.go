package repository

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// lookBudget is how long one transaction of a look searches for the rows that the
// database refuses to erase. After that it leaves what is in question to the next
// try.
const lookBudget = 30 * time.Second

// lateErasure erases what was written about clients after they were gone, or
// moves it to the target of their merge.
type lateErasure struct {
	*Store
	tx    pgx.Tx
	plan  *plan.Plan
	claim *jobs.Claim // the clients and their terms; of no task

	changes  changes
	began    time.Time
	erased   map[string]int64 // rows by table
	refused  []jobs.Exception // clients whose rows the database refuses to erase
	profiles map[int]string
}

// eraseLateRows looks for rows about the clients, which takes one round trip. If
// there are any, it takes the tenant's lock and erases them. A client whose rows
// the database refuses to erase keeps no other's.
func (e *lateErasure) eraseLateRows(ctx context.Context) error {
	found := e.claim.Keys
	err := e.savepoint(ctx, func() (err error) {
		found, _, err = e.find(ctx, e.claim.Keys)
		return err
	})
	if pgfault.Answered(err) != nil {
		found = e.claim.Keys // some row makes PostgreSQL fail: search client by client
	} else if err != nil {
		return err
	}
	if len(found) == 0 {
		return nil
	}
	// Only a claim has a lane. A look holds the tenant's lock alone instead, as a
	// merge does, and may use every profile.
	_, err = e.tx.Exec(ctx, lockTenantSQL, e.plan.Map.ProfileOwner(e.claim.TenantID))
	if pgfault.Is(err, "55P03") { // lock_not_available
		return errTenantBusy
	}
	if err == nil {
		err = e.prepare(ctx)
	}
	if err != nil {
		return err
	}
	found = slices.Clone(found)
	// Mix them, so that one who takes long is not always before the same others.
	rand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	e.began = time.Now()
	if err := e.eraseOf(ctx, found); err != nil {
		return err
	}
	if len(e.erased) > 0 {
		return recordLateRows(ctx, e.tx, e.claim.TenantID)
	}
	return nil
}

// prepare reads what the statements need: the law, the profiles, and the target of
// a merge.
func (e *lateErasure) prepare(ctx context.Context) (err error) {
	if err := e.addLaw(ctx, e.plan, e.claim); err != nil {
		return err
	}
	e.changes.statements, e.changes.proof = e.plan.LateRows.Erase, e.plan.LateRows.Proof
	target, err := e.target(ctx)
	if err != nil {
		return err
	}
	if target != "" {
		m := e.claim.Terms.Merge
		if err := mergesAllowed(e.plan, m); err != nil {
			return err
		}
		e.changes.statements, e.changes.proof = lateMergeWrites(e.plan.Merge, m), e.plan.Merge.ProofLateRows
	}
	if e.profiles, err = liveProfiles(ctx, e.tx, e.plan, e.claim.TenantID); err != nil {
		return err
	}
	if e.profiles[1] == "" && plan.UsesSharedProfile(e.changes.statements) {
		return &needProfiles{[]int{1}}
	}
	w := chunk{plan: e.plan, claim: e.claim}.writeParams(nil, e.profiles[1], lane{}.keys(e.profiles), nil)
	e.changes.params = w
	if target != "" {
		e.changes.params = mergeParams[writeParams]{w, target}
	}
	return nil
}

func lateMergeWrites(m *plan.Merge, terms *jobs.MergeTerms) []plan.Statement {
	writes := slices.Clone(m.DeleteLateRows)
	if terms.Conflicts == jobs.KeepTarget {
		writes = append(writes, m.DropLateRows...)
	}
	return append(writes, m.MoveLateRows...)
}

// target is the client to whom late rows of a merge's sources move: its target or,
// if that was merged since, the target of that merge. If it is a client no more,
// its own erasure has left nothing to move rows to, and they are erased.
func (e *lateErasure) target(ctx context.Context) (string, error) {
	m := e.claim.Terms.Merge
	if m == nil {
		return "", nil
	}
	target := m.Target
	for range 10 {
		known, err := e.isClient(ctx, target)
		if known || err != nil {
			return target, err
		}
		err = e.tx.QueryRow(ctx, nextTargetSQL, target, e.claim.TenantID).Scan(&target)
		if errors.Is(err, pgx.ErrNoRows) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

const nextTargetSQL = `
SELECT l.merge ->> 'target' FROM oubli.second_looks AS l
JOIN oubli.jobs AS j ON j.id = l.job_id JOIN oubli.tasks AS t ON t.job_id = l.job_id AND t.kind = 'merge'
WHERE l.merge IS NOT NULL AND j.tenant_id = $2 AND $1 = ANY(t.keys[:t.position])
  AND NOT EXISTS (SELECT FROM oubli.exceptions AS e WHERE e.job_id = j.id AND e.client_id = $1 AND e.outcome <> 'erased_retained')
ORDER BY j.finished_at DESC LIMIT 1`

// isClient reports whether a key is that of a client of the tenant.
func (e *lateErasure) isClient(ctx context.Context, key string) (bool, error) {
	args, err := bind(forClients(e.plan, e.claim.TenantID, []string{key}), e.plan.FindClients)
	if err != nil {
		return false, err
	}
	var profile bool
	err = e.tx.QueryRow(ctx, e.plan.FindClients.SQL, args...).Scan(nil, &profile)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil && !profile, err
}

// eraseOf erases rows about these clients. When PostgreSQL refuses that, it halves
// the clients until the one is alone whose rows it refuses.
func (e *lateErasure) eraseOf(ctx context.Context, keys []string) error {
	var rows map[string]int64
	err := e.savepoint(ctx, func() (err error) {
		rows, err = e.tryErase(ctx, keys)
		return err
	})
	if err == nil {
		for table, n := range rows {
			if n > 0 {
				e.erased[table] += n
			}
		}
		return nil
	}
	if errors.Is(err, errKeyInUse) {
		return e.eraseOf(ctx, keys)
	}
	if _, missing := errors.AsType[*needProfiles](err); missing || errors.Is(err, errStalePlan) || e.tx.Conn().IsClosed() {
		return err
	}
	if len(keys) > 1 && time.Since(e.began) < lookBudget {
		if err := e.eraseOf(ctx, keys[:len(keys)/2]); err != nil {
			return err
		}
		return e.eraseOf(ctx, keys[len(keys)/2:])
	}
	why, err := e.refusal(ctx, err)
	for _, key := range keys {
		why.ClientID = key
		e.refused = append(e.refused, why)
	}
	return err
}

// refusal says why the database refuses to erase the rows about a client. What is
// no client's fault it returns as an error: an outage, a missing right, a map that
// does not cover the schema.
func (e *lateErasure) refusal(ctx context.Context, err error) (jobs.Exception, error) {
	err = e.explain(ctx, e.plan, err)
	known, ok := errors.AsType[*jobs.Error](err)
	switch {
	case !ok, known.Kind == jobs.Unavailable && known.State == "", known.Code == jobs.CodeSchema, known.Code == jobs.CodeOperator:
		return jobs.Exception{}, err
	case known.Kind == jobs.Unavailable:
		return jobs.Exception{Code: known.State}, nil
	case known.Code == "":
		return jobs.Exception{Code: "internal"}, nil
	}
	return jobs.Exception{Code: known.Code, Detail: known.Detail}, nil
}

// errKeyInUse says that a key turned out to be somebody's again.
var errKeyInUse = errors.New("a key belongs to a new client")

// tryErase erases rows about these clients, proves it, and reports the rows by
// table. A key that belongs to a new client is left out. The keys in use are read
// once more at the end: every new client whose rows the statements saw is found then.
func (e *lateErasure) tryErase(ctx context.Context, keys []string) (map[string]int64, error) {
	inUse, err := e.keysInUse(ctx, keys)
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return slices.Contains(inUse, k) })
	if len(keys) == 0 {
		return nil, nil
	}
	c := e.changes
	c.params, c.clients = withKeys(c.params, keys), len(keys)
	if err := e.lock(ctx, keys); err != nil {
		return nil, err
	}
	rows, err := runPlan(ctx, e.tx.Conn(), e.plan, c)
	if pgfault.Is(err, needProfilesState) {
		return nil, &needProfiles{lane{}.more(e.profiles)}
	}
	if err != nil {
		return nil, err
	}
	left, at, err := e.find(ctx, keys)
	if err != nil {
		return nil, err
	}
	switch again, err := e.keysInUse(ctx, keys); {
	case err != nil:
		return nil, err
	case len(again) > 0:
		return nil, errKeyInUse
	case len(left) > 0:
		return nil, notErased(at)
	}
	return rows, nil
}

// lock locks the rows through which others are reached, before any statement has
// its snapshot: one that meanwhile becomes somebody else's keeps what belongs to it,
// and nothing more can be added to it.
func (e *lateErasure) lock(ctx context.Context, keys []string) error {
	b := &pgx.Batch{}
	if err := queue(b, forClients(e.plan, e.claim.TenantID, keys).of(e.claim.JobID), e.plan.LateRows.Lock...); err != nil || b.Len() == 0 {
		return err
	}
	return e.tx.SendBatch(ctx, b).Close()
}

// withKeys are the parameters for these clients.
func withKeys(p params, keys []string) params {
	switch p := p.(type) {
	case mergeParams[writeParams]:
		p.source.keys = keys
		return p
	case writeParams:
		p.keys = keys
		return p
	}
	return p
}

// find lists the clients about whom there are rows, and the place of the last of
// these rows.
func (e *lateErasure) find(ctx context.Context, keys []string) (found []string, at plan.Place, err error) {
	b := &pgx.Batch{}
	if err := queue(b, forClients(e.plan, e.claim.TenantID, keys).of(e.claim.JobID), e.plan.LateRows.Find...); err != nil {
		return nil, at, err
	}
	results := e.tx.SendBatch(ctx, b)
	found, at, err = readLate(results, e.plan.LateRows.Find)
	return found, at, errors.Join(err, results.Close())
}

// readLate reads the clients about whom there are rows.
func readLate(results pgx.BatchResults, finds []plan.Statement) (found []string, at plan.Place, err error) {
	for _, st := range finds {
		rows, err := results.Query()
		if err != nil {
			return nil, at, err
		}
		some, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, at, err
		}
		if len(some) > 0 {
			at = st.Place
		}
		found = append(found, some...)
	}
	slices.Sort(found)
	return slices.Compact(found), at, nil
}

// keysInUse lists those of the keys that belong to a client.
func (e *lateErasure) keysInUse(ctx context.Context, keys []string) ([]string, error) {
	args, err := bind(forClients(e.plan, e.claim.TenantID, keys), e.plan.KeysInUse)
	if err != nil {
		return nil, err
	}
	rows, err := e.tx.Query(ctx, e.plan.KeysInUse.SQL, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// savepoint runs f, and takes back what it did if it fails.
func (e *lateErasure) savepoint(ctx context.Context, f func() error) error {
	if _, err := e.tx.Exec(ctx, "savepoint late"); err != nil {
		return err
	}
	err := f()
	end := "release savepoint late"
	if err != nil {
		end = "rollback to savepoint late; release savepoint late"
	}
	if _, e := e.tx.Exec(ctx, end); e != nil {
		return errors.Join(e, err)
	}
	return err
}
