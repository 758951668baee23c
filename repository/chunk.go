package repository

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// EraseChunk erases up to n of the clients that the batch has left, in one
// transaction of three pipelined round trips: judge, write, record. Nothing
// commits before every count has been checked. On success the claim has moved
// forward; on any error nothing has changed, neither there nor in the database.
// If the connection breaks at COMMIT, it is unknown which of the two happened:
// then the caller releases the task, and whoever claims it next reads where it
// stands.
//
// Of a merge it merges the next source, whatever n is.
//
// The way of a chunk is EraseChunk → tryChunk → judge (or judgeMerge) →
// withProfiles (or dryRun) → runPlan → judgeAgain → record.
func (s *Store) EraseChunk(ctx context.Context, c *jobs.Claim, n int) (jobs.Chunk, error) {
	start := time.Now()
	changed := 0
	for range chunkTries {
		p := s.plan.Load()
		if p == nil || len(p.Erase) == 0 {
			var err error
			if p, err = s.covered(ctx); err != nil {
				return jobs.Chunk{}, err
			}
		}
		p, err := s.knowsTerms(ctx, p, c.Terms)
		if err != nil {
			return jobs.Chunk{}, err
		}
		switch err := s.countProfiles(ctx, p, c); {
		case errors.Is(err, errStalePlan):
			if _, err := s.covered(ctx); err != nil {
				return jobs.Chunk{}, err
			}
			continue
		case err != nil:
			return jobs.Chunk{}, err
		}
		done, late, err := s.tryChunk(ctx, p, c, nextKeys(c, n))
		switch missing, need := errors.AsType[*needProfiles](err); {
		case need:
			if err := s.makeProfiles(ctx, p, c, missing.slots); err != nil && !errors.Is(err, errStalePlan) {
				return jobs.Chunk{}, profileTrouble(err)
			}
			continue
		case errors.Is(err, errProveAll):
			s.provesAll.Store(&p.Fingerprint)
			continue
		case errors.Is(err, errVerdictChanged):
			if changed++; changed == verdictTries {
				return jobs.Chunk{}, errVerdictUnsteady
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
		done.Elapsed = time.Since(start)
		done.Late = s.eraseAtOnce(ctx, p, c, late)
		return done, nil
	}
	return jobs.Chunk{}, errUnsteady
}

// chunkTries is how often one chunk is started again: profiles are made a few at a
// time, when they are needed.
const chunkTries = 100

var errUnsteady = &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable,
	Msg: "the schema or the anonymous profiles change again and again"}

// nextKeys are the keys of the clients that the next transaction takes.
func nextKeys(c *jobs.Claim, n int) []string {
	if c.Kind == jobs.MergeTask {
		n = 1
	}
	return c.Keys[c.Position:min(c.Position+n, len(c.Keys))]
}

// chunk is what one transaction is asked to do.
type chunk struct {
	plan   *plan.Plan
	claim  *jobs.Claim
	keys   []string         // of the clients whose turn it is
	writes []plan.Statement // for those clients that nothing protects
	// usesSharedProfile says that the writes re-point rows to the tenant's
	// shared profile.
	usesSharedProfile bool
	proof             plan.Proof // of the writes
}

func newChunk(p *plan.Plan, c *jobs.Claim, keys []string) (chunk, error) {
	ch := chunk{plan: p, claim: c, keys: keys, writes: p.Erase, usesSharedProfile: p.UsesSharedProfile, proof: p.Proof}
	merge := c.Terms.Merge
	if merge == nil {
		return ch, nil
	}
	if err := mergesAllowed(p, merge); err != nil {
		return chunk{}, err
	}
	ch.writes, ch.usesSharedProfile = mergeWrites(p, merge)
	ch.proof = mergeProof(p, merge)
	return ch, nil
}

// tryChunk is one transaction. Its error may ask for profiles or for a new plan.
// late are erased clients about whom there were rows again just after the commit.
func (s *Store) tryChunk(ctx context.Context, p *plan.Plan, c *jobs.Claim, keys []string) (done jobs.Chunk, late []string, err error) {
	if err := s.addLaw(ctx, p, c); err != nil {
		return jobs.Chunk{}, nil, err
	}
	ch, err := newChunk(p, c, keys)
	if err != nil {
		return jobs.Chunk{}, nil, err
	}
	if all := s.provesAll.Load(); ch.proof.Full != nil && all != nil && *all == p.Fingerprint {
		ch.proof = *ch.proof.Full
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return jobs.Chunk{}, nil, pgfault.Acquire("erase chunk", err)
	}
	defer release(ctx, conn)

	judge := s.judge
	if ch.intoClient() {
		judge = s.judgeMerge
	}
	verdict, err := judge(ctx, conn.Conn(), ch)
	if err != nil {
		return jobs.Chunk{}, nil, err
	}
	s.opts.Failpoint("chunk:decided")

	write := s.withProfiles
	if c.Terms.DryRun {
		write = s.dryRun
	}
	rows, err := write(ctx, conn.Conn(), ch, verdict)
	if err != nil {
		return jobs.Chunk{}, nil, err
	}
	if err := s.judgeAgain(ctx, ch, verdict); err != nil {
		return jobs.Chunk{}, nil, err
	}
	s.opts.Failpoint("chunk:erased")

	verdict.leavesRows = !c.Terms.DryRun && (!ch.intoClient() || c.Terms.Merge.DeleteSource && p.Merge.LeavesRows)
	verdict.triggerRows = verdict.leavesRows && len(verdict.erase) > 0 && ch.proof.Needed() && ch.proof.Full == nil
	next := claimAfter(c, keys, verdict, rows)
	waiting, late, err := s.record(ctx, conn.Conn(), ch, next, verdict)
	if err != nil {
		return jobs.Chunk{}, nil, err
	}
	s.opts.Failpoint("chunk:committed")
	*c = *next
	return jobs.Chunk{
		Clients:  len(keys) - len(verdict.deferred),
		Deferred: len(verdict.deferred),
		Waiting:  waiting,
		Counts:   verdict.counts,
	}, late, nil
}

// release returns a connection to the pool without an open transaction.
func release(ctx context.Context, conn *pgxpool.Conn) {
	if conn.Conn().PgConn().TxStatus() != 'I' && !conn.Conn().IsClosed() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, _ = conn.Exec(ctx, "rollback") // if even this fails, the pool closes the connection
	}
	conn.Release()
}

// FailClient records the batch's next client as failed and moves the claim past
// it. The client's rows are unchanged.
func (s *Store) FailClient(ctx context.Context, c *jobs.Claim, code, detail string) error {
	v := &verdict{exceptions: []jobs.Exception{{ClientID: c.Keys[c.Position], Outcome: jobs.FailedOutcome, Code: code, Detail: detail}}}
	v.counts.Failed = 1
	return s.passOver(ctx, "record failed client", c, v)
}

// DeferClient moves the batch's next client to the end of the batch, because
// another session locks the client's rows. These are unchanged.
func (s *Store) DeferClient(ctx context.Context, c *jobs.Claim) error {
	return s.passOver(ctx, "defer client", c, &verdict{deferred: []string{c.Keys[c.Position]}})
}

// passOver commits a verdict on the batch's next client without erasing anything.
func (s *Store) passOver(ctx context.Context, op string, c *jobs.Claim, v *verdict) error {
	next := claimAfter(c, []string{c.Keys[c.Position]}, v, nil)
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return pgfault.Acquire(op, err)
	}
	defer release(ctx, conn)
	if _, err := conn.Exec(ctx, s.db.Begin()); err != nil {
		return pgfault.Wrap(op, err)
	}
	if err := s.lockTask(ctx, conn.Conn(), c); err != nil {
		return pgfault.Wrap(op, err)
	}
	if _, _, err := s.record(ctx, conn.Conn(), chunk{claim: c}, next, v); err != nil {
		return pgfault.Wrap(op, err)
	}
	*c = *next
	return nil
}
