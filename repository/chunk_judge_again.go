package repository

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/jobs"
)

// errVerdictChanged says that the guards, the activity or what is retained of a
// chunk's clients changed while the chunk was written.
var errVerdictChanged = errors.New("what was judged has changed")

// verdictTries is how often a chunk is started whose verdict changes again and
// again. Then it counts as contention, which makes chunks smaller.
const verdictTries = 5

var errVerdictUnsteady = &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeContention,
	Msg: "guards or activity of the clients change again and again"}

// judgeAgain evaluates the guards of the clients that the chunk erases once more,
// after everything is written, on a second connection. That connection sees what
// others have committed and nothing of the chunk. The rows that the chunk wrote are
// locked by it and can no longer change, and a session that adds a row with a foreign
// key to a client waits: the second verdict is still true at the commit. If it differs
// from the first, the chunk is rolled back.
func (s *Store) judgeAgain(ctx context.Context, ch chunk, v *verdict) error {
	if len(v.erase) == 0 || ch.claim.Terms.DryRun || !ch.judgesRows() {
		return nil
	}
	var st, p = ch.plan.Guards, params(ch.judgeParams())
	if ch.intoClient() {
		st, p = ch.plan.Merge.Guards, mergeParams[judgeParams]{ch.judgeParams(), ch.claim.Terms.Merge.Target}
	}
	args, err := bind(p, st)
	if err != nil {
		return err
	}
	conn, err := s.judging.Acquire(ctx)
	if err != nil {
		return pgfault.Acquire("judge again", err)
	}
	defer conn.Release()
	rows, err := conn.Query(ctx, st.SQL, args...)
	if err != nil {
		return err
	}
	now, err := readGuarded(rows)
	if err != nil {
		return err
	}
	for _, key := range v.erase {
		if g, exists := now[key]; !exists || !g.equal(v.judged[key]) {
			return errVerdictChanged
		}
	}
	return nil
}

// judgesRows reports whether the verdict depends on rows that may change.
func (ch chunk) judgesRows() bool {
	p := ch.plan
	return len(p.Map.Guards) > 0 || len(p.RetentionRules) > 0 || ch.claim.Terms.Cutoff != nil && len(p.Map.Activity) > 0
}

func (g guarded) equal(other guarded) bool {
	return equalPointers(g.code, other.code, func(a, b string) bool { return a == b }) &&
		slices.EqualFunc(g.kept, other.kept, func(a, b *time.Time) bool { return equalPointers(a, b, time.Time.Equal) })
}

func equalPointers[T any](a, b *T, equal func(a, b T) bool) bool {
	return a == nil && b == nil || a != nil && b != nil && equal(*a, *b)
}

// judgingConfig is the pool of second connections. A chunk waits for one while it
// holds one of the first pool, so it has a pool of its own: each of its connections
// is held for one statement, and its holder waits for no other connection. A table that somebody wants to
// alter makes the statement wait for the chunk itself, which no server can
// detect: lock_timeout ends that.
func (s *Store) judgingConfig(cfg *pgxpool.Config) *pgxpool.Config {
	o := s.opts
	cfg.MaxConns = max(1, o.MaxConns/2)
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if err := s.setUp(ctx, conn); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, `SELECT set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false),
			set_config('plan_cache_mode', 'force_generic_plan', false), set_config('jit', 'off', false)`,
			pgsession.Milliseconds(o.LockTimeout), pgsession.Milliseconds(pgsession.StatementTimeout))
		return err
	}
	return cfg
}
