package repository

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// EraseChunk erases up to n of the clients that the batch has left, in one
// transaction of three pipelined round trips: decide, erase, record. Nothing
// commits before every count has been looked at. On success the claim has
// moved forward; on any error nothing has changed, neither there nor in the
// database. A connection that breaks at COMMIT leaves that open: then the
// caller releases the task, and whoever claims it next reads where it stands.
//
// Of a merge it merges the next source, whatever n is.
func (s *Store) EraseChunk(ctx context.Context, c *jobs.Claim, n int) (jobs.Chunk, error) {
	start := time.Now()
	for range chunkTries {
		p := s.plan.Load()
		if p == nil || len(p.Erase) == 0 {
			var err error
			if p, err = s.covered(ctx); err != nil {
				return jobs.Chunk{}, err
			}
		}
		chunk, err := s.eraseChunk(ctx, p, c, c.Keys[c.Position:min(c.Position+chunkOf(c, n), len(c.Keys))])
		switch want, need := errors.AsType[*needProfiles](err); {
		case need:
			if err := s.makeProfiles(ctx, p, c, want.slots); err != nil {
				return jobs.Chunk{}, profileTrouble(err)
			}
			continue
		case errors.Is(err, errStalePlan):
			if _, err := s.covered(ctx); err != nil {
				return jobs.Chunk{}, err
			}
			continue
		}
		if err != nil {
			if err = s.explain(ctx, p, err); errors.Is(err, errStalePlan) {
				continue
			}
			return jobs.Chunk{}, err
		}
		chunk.Elapsed = time.Since(start)
		return chunk, nil
	}
	return jobs.Chunk{}, errUnsteady
}

// chunkTries is how often the same is begun anew: profiles are made as they are
// needed, a few at a time.
const chunkTries = 100

var errUnsteady = &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, Msg: "the schema or the anonymous profiles change again and again"}

// chunkOf is how many clients go into one transaction.
func chunkOf(c *jobs.Claim, n int) int {
	if c.Kind == jobs.MergeTask {
		return 1
	}
	return n
}

// explain tells what an error of a chunk means. Before any client is blamed it
// looks whether the schema is no longer what the map says, or only not what the
// plan is for. Of class 42 is also a right that the role lacks, or something
// that only these clients meet, such as a trigger that names a table which is gone.
func (s *Store) explain(ctx context.Context, p *plan.Plan, err error) error {
	pg, _ := errors.AsType[*pgconn.PgError](err)
	strange := pg != nil && (strings.HasPrefix(pg.Code, "42") || pg.Code == "26000" || pg.Code == "0A000")
	err = fault("erase chunk", err)
	blames := jobs.KindOf(err) == jobs.Invalid || jobs.KindOf(err) == jobs.Internal && !errors.Is(err, jobs.ErrFenced) && !errors.Is(err, context.Canceled)
	if !blames && !strange {
		return err
	}
	now, uncovered := s.planned(s.cover(ctx, strange))
	switch {
	case uncovered != nil:
		return uncovered
	case now.Fingerprint != p.Fingerprint:
		return errStalePlan
	case !strange:
		return err
	}
	cause := errors.New(describe(pg))
	switch pg.Code {
	case "42501": // insufficient_privilege
		return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Msg: "the workers' database role lacks a right: run oubli grants", Err: cause}
	case "26000", "42P05": // invalid_sql_statement_name, duplicate_prepared_statement
		return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Msg: "a pooler mixes up prepared statements: connect to PostgreSQL itself, or pool by session", Err: cause}
	}
	return &jobs.Error{Kind: jobs.Invalid, Code: pg.Code, Msg: "erase chunk", Err: cause}
}

// errStalePlan says that the schema is no longer the one the plan is for.
var errStalePlan = errors.New("the schema has changed")

// needProfiles says that the tenant has no live profile in these slots.
type needProfiles struct{ slots []int }

func (*needProfiles) Error() string { return "more anonymous profiles are needed" }

func (s *Store) eraseChunk(ctx context.Context, p *plan.Plan, c *jobs.Claim, keys []string) (jobs.Chunk, error) {
	if err := s.lawOf(ctx, p, c); err != nil {
		return jobs.Chunk{}, err
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return jobs.Chunk{}, err
	}
	defer release(ctx, conn)

	v := &values{claim: c, law: c.Terms.Law, m: p.Map, keys: keys, run: p.Erase, shared: p.UsesSharedProfile}
	decide := s.decide
	if merge := c.Terms.Merge; merge != nil {
		if err := mayMerge(p, merge); err != nil {
			return jobs.Chunk{}, err
		}
		v.run, v.shared = mergeRun(p, merge)
		if !merge.Anonymous {
			decide = s.decideMerge
		}
	}
	verdict, err := decide(ctx, conn.Conn(), p, v)
	if err != nil {
		return jobs.Chunk{}, err
	}
	v.keys, v.owned = verdict.erase, verdict.owned
	s.opts.Failpoint("chunk:decided")
	run := s.eraseFor
	if c.Terms.DryRun {
		run = s.rehearse
	}
	rows, err := run(ctx, conn.Conn(), p, v, verdict)
	if is(err, needProfilesState) { // the lane's did not suffice
		return jobs.Chunk{}, &needProfiles{s.moreSlots(len(v.profiles), c.Lane)}
	}
	if err != nil {
		return jobs.Chunk{}, err
	}
	s.opts.Failpoint("chunk:erased")
	next := after(c, keys, verdict, rows)
	waiting, err := s.record(ctx, conn.Conn(), next, verdict)
	if err != nil {
		return jobs.Chunk{}, err
	}
	s.opts.Failpoint("chunk:committed")
	*c = *next.Claim
	return jobs.Chunk{Clients: len(keys) - len(verdict.deferred), Deferred: len(verdict.deferred), Waiting: waiting, Counts: verdict.counts}, nil
}

// release gives a connection back without an open transaction.
func release(ctx context.Context, conn *pgxpool.Conn) {
	if conn.Conn().PgConn().TxStatus() != 'I' && !conn.Conn().IsClosed() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, _ = conn.Exec(ctx, "rollback") // a connection that cannot even do this is closed by the pool
	}
	conn.Release()
}

// eraseFor erases with the tenant's profiles as they are.
func (s *Store) eraseFor(ctx context.Context, conn *pgx.Conn, p *plan.Plan, v *values, d *verdict) (map[string]int64, error) {
	if err := wantProfiles(v, d); err != nil {
		return nil, err
	}
	v.profile, v.profiles = d.profiles[1], s.lane(d.profiles, v.claim.Lane)
	if len(v.profiles) == 0 && len(v.keys) > 0 && v.claim.Terms.Merge == nil {
		// A lane's first chunk asks before it works, rather than in vain.
		if n, err := crowd(ctx, conn, p, v); err != nil || n > 0 {
			return nil, cmp.Or[error](err, &needProfiles{s.moreSlots(0, v.claim.Lane)})
		}
	}
	return erase(ctx, conn, p, v)
}

// erase runs the statements in one pipelined round trip and counts the
// rows of each table. Then it looks whether the plan is still for this schema.
// From there on that cannot change: nobody adds a column, a trigger or a foreign
// key to a table that was written to, nor a column to one that was read.
func erase(ctx context.Context, conn *pgx.Conn, p *plan.Plan, v *values) (map[string]int64, error) {
	rows := map[string]int64{}
	run := v.run
	if len(v.keys) == 0 {
		run = nil // nobody is left out of a schema that the map does not know either
	}
	b := &pgx.Batch{}
	if err := v.queue(b, slices.Concat(run, []plan.Statement{p.LockTables})...); err != nil {
		return nil, err
	}
	b.Queue(fingerprintSQL)
	results := conn.SendBatch(ctx, b)
	for _, st := range run {
		tag, err := results.Exec()
		if err != nil {
			return nil, errors.Join(err, results.Close())
		}
		if st.FindsNone {
			if tag.RowsAffected() > 0 {
				return nil, errors.Join(&jobs.Error{Kind: jobs.Invalid, Code: "left_behind",
					Msg: "rows of " + st.Table + " stayed with the source: a trigger is in the way, or somebody wrote them meanwhile"}, results.Close())
			}
			continue
		}
		rows[st.Table] += tag.RowsAffected()
		if st.ClientRows && tag.RowsAffected() != int64(len(v.keys)) {
			return nil, errors.Join(&jobs.Error{Kind: jobs.Invalid, Code: "wrong_count",
				Msg: "the client's own row was not the one row that changed: a trigger or a rule is in the way"}, results.Close())
		}
	}
	if _, err := results.Exec(); err != nil { // the pin
		return nil, errors.Join(err, results.Close())
	}
	var live string
	if err := results.QueryRow().Scan(&live); err != nil {
		return nil, errors.Join(err, results.Close())
	}
	if live != p.Fingerprint {
		return nil, errors.Join(errStalePlan, results.Close())
	}
	return rows, results.Close()
}

const recordSQL = `
UPDATE oubli.tasks SET keys = $3, position = $4, erased = $5, erased_retained = $6, skipped = $7, failed = $8, not_found = $9,
  codes = $10, rows = $11, retained_until = $12, crashes = $13, lease_until = clock_timestamp() + $14::interval
WHERE id = $1 AND attempt = $2 AND state = 'running'`

// progressSQL is recordSQL for the usual case in which the keys keep their
// order and need not be written again.
const progressSQL = `
UPDATE oubli.tasks SET position = $3, erased = $4, erased_retained = $5, skipped = $6, failed = $7, not_found = $8,
  codes = $9, rows = $10, retained_until = $11, crashes = $12, lease_until = clock_timestamp() + $13::interval
WHERE id = $1 AND attempt = $2 AND state = 'running'`

// waitingSQL counts the sessions that wait for a row of this transaction's: who
// is first in line for one waits for the transaction itself.
const waitingSQL = `
SELECT count(*) FROM pg_locks
WHERE locktype = 'transactionid' AND transactionid = pg_current_xact_id()::xid AND NOT granted`

// record writes the outcomes and the progress and commits, in one round trip.
// It says how many sessions were waiting for that.
func (s *Store) record(ctx context.Context, conn *pgx.Conn, n next, v *verdict) (waiting int, err error) {
	b := &pgx.Batch{}
	if len(v.exceptions) > 0 {
		b.Queue(exceptionsSQL, exceptionArgs(n.JobID, v.exceptions)...)
	}
	k := n.Counts
	sums := []any{n.Position, k.Erased, k.ErasedRetained, k.Skipped, k.Failed, k.NotFound, n.Codes, n.Rows, dateArg(n.RetainedUntil), n.Crashes, s.opts.Lease}
	if len(v.deferred) > 0 {
		b.Queue(recordSQL, append([]any{n.TaskID, n.Attempt, n.Keys}, sums...)...)
	} else {
		b.Queue(progressSQL, append([]any{n.TaskID, n.Attempt}, sums...)...)
	}
	if len(v.conflicts) > 0 {
		b.Queue(conflictsSQL, n.TaskID, v.conflicts)
	}
	writes := b.Len()
	b.Queue(waitingSQL)
	b.Queue("commit")
	results := conn.SendBatch(ctx, b)
	for range writes {
		if _, err := results.Exec(); err != nil {
			return 0, errors.Join(err, results.Close())
		}
	}
	if err := results.QueryRow().Scan(&waiting); err != nil {
		return 0, errors.Join(err, results.Close())
	}
	_, err = results.Exec()
	return waiting, errors.Join(err, results.Close())
}

const exceptionsSQL = `
INSERT INTO oubli.exceptions (job_id, client_id, outcome, code, retained_until)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::date[])`

func exceptionArgs(job string, all []jobs.Exception) []any {
	ids, outcomes, codes := make([]string, len(all)), make([]string, len(all)), make([]string, len(all))
	until := make([]*time.Time, len(all))
	for i, e := range all {
		ids[i], outcomes[i], codes[i], until[i] = e.ClientID, string(e.Outcome), e.Code, dateArg(e.RetainedUntil)
	}
	return []any{job, ids, outcomes, codes, until}
}

func dateArg(d *jobs.Date) *time.Time {
	if d == nil {
		return nil
	}
	return &d.Time
}

// FailClient records that the database refuses the batch's next client for
// good, and moves on. The client is untouched.
func (s *Store) FailClient(ctx context.Context, c *jobs.Claim, code string) error {
	v := &verdict{exceptions: []jobs.Exception{{ClientID: c.Keys[c.Position], Outcome: jobs.FailedOutcome, Code: code}}}
	v.counts.Failed = 1
	return s.passOver(ctx, "record failed client", c, v)
}

// DeferClient puts the batch's next client behind all others, because somebody
// holds what belongs to it. The client is untouched.
func (s *Store) DeferClient(ctx context.Context, c *jobs.Claim) error {
	return s.passOver(ctx, "defer client", c, &verdict{deferred: []string{c.Keys[c.Position]}})
}

// passOver commits a verdict on the batch's next client that erases nothing.
func (s *Store) passOver(ctx context.Context, op string, c *jobs.Claim, v *verdict) error {
	next := after(c, []string{c.Keys[c.Position]}, v, nil)
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fault(op, err)
	}
	defer release(ctx, conn)
	if _, err := conn.Exec(ctx, s.begin()); err != nil {
		return fault(op, err)
	}
	if err := s.lockTask(ctx, conn.Conn(), c); err != nil {
		return fault(op, err)
	}
	if _, err := s.record(ctx, conn.Conn(), next, v); err != nil {
		return fault(op, err)
	}
	*c = *next.Claim
	return nil
}

// next is a claim as it will be once the chunk has committed.
type next struct{ *jobs.Claim }

// after computes what a claim becomes when these keys, the next of the batch,
// have met the verdict: deferred ones go to the end, the others count.
func after(c *jobs.Claim, keys []string, v *verdict, rows map[string]int64) next {
	n := *c
	n.Codes, n.Rows = map[string]int{}, map[string]int64{}
	for code, count := range c.Codes {
		n.Codes[code] = count
	}
	for table, count := range c.Rows {
		n.Rows[table] = count
	}
	for table, count := range rows {
		n.Rows[table] += count
	}
	for _, o := range jobs.Outcomes() {
		n.Counts.Add(o, v.counts.Of(o))
	}
	for _, e := range v.exceptions {
		if e.Outcome != jobs.ErasedRetained {
			n.Codes[e.Code]++
		}
		if e.RetainedUntil != nil && (n.RetainedUntil == nil || e.RetainedUntil.After(n.RetainedUntil.Time)) {
			n.RetainedUntil = e.RetainedUntil
		}
	}
	if len(v.deferred) > 0 {
		rest := c.Keys[c.Position+len(keys):]
		n.Keys = slices.Clone(c.Keys[:c.Position])
		for _, k := range keys {
			if !slices.Contains(v.deferred, k) {
				n.Keys = append(n.Keys, k)
			}
		}
		n.Keys = append(append(n.Keys, rest...), v.deferred...)
	}
	if done := len(keys) - len(v.deferred); done > 0 {
		n.Position += done
		n.Crashes = 0
	}
	return next{&n}
}
