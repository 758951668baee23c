package repository

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/jobs"
)

// Cover makes sure that the plan fits the live schema, and compiles it again when
// the schema has changed. When the map does not cover the schema, it reads the
// map's file again, if it can; if the map still has gaps, its error is plan.Gaps.
func (s *Store) Cover(ctx context.Context) error { return s.cover(ctx, false) }

// cover is Cover. With again it compiles even when the fingerprint is the same: a
// function that the map's expressions call can be dropped, and the fingerprint
// does not change.
func (s *Store) cover(ctx context.Context, again bool) error {
	fits := func() (bool, error) {
		live, err := schema.ReadFingerprint(ctx, s.pool)
		if err != nil {
			return false, err
		}
		p := s.plan.Load()
		return p != nil && p.Fingerprint == live && len(p.Erase) > 0, nil
	}
	if ok, err := fits(); err != nil || ok && !again {
		return err
	}
	// One at a time, so that the plan of an older map never replaces a newer one.
	if err := s.compiling.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait for the plan: %w", err)
	}
	defer s.compiling.Release(1)
	if ok, err := fits(); err != nil || ok && !again {
		return err // another caller has just compiled it
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return pgfault.Wrap("connect to database", err)
	}
	defer conn.Release()
	gaps, err := s.compile(ctx, conn.Conn(), s.erasureMap())
	if err != nil || len(gaps) == 0 {
		return err
	}
	return s.reloadMap(ctx, conn.Conn(), gaps)
}

// compile makes the plan for a map and stores it. It stores a plan with gaps too:
// to accept a request only the plan's keys and tenants are needed.
func (s *Store) compile(ctx context.Context, conn *pgx.Conn, m *erasuremap.Map) (plan.Gaps, error) {
	p, gaps, cat, err := schema.Compile(ctx, conn, m)
	if err != nil {
		return nil, err
	}
	s.usePath(cat.Open)
	if p != nil {
		s.plan.Store(p)
	}
	return gaps, nil
}

// reloadMap reads the map's file again after gaps were found, so that an edit of
// the file is enough to continue. If the file cannot be read, the map stays as it
// is and the error says so too.
func (s *Store) reloadMap(ctx context.Context, conn *pgx.Conn, gaps plan.Gaps) error {
	if s.opts.LoadMap == nil {
		return gaps
	}
	m, err := s.opts.LoadMap()
	if err != nil {
		return &unreadableMap{gaps, err}
	}
	if reflect.DeepEqual(m, s.erasureMap()) {
		return gaps
	}
	gaps, err = s.compile(ctx, conn, m)
	if err != nil {
		return err
	}
	s.edited.Store(m)
	if len(gaps) > 0 {
		return gaps
	}
	return nil
}

// unreadableMap is the gaps of the current map, and why the edited file cannot be
// read.
type unreadableMap struct {
	plan.Gaps
	edit error
}

func (u *unreadableMap) Unwrap() error { return u.Gaps }

// Error has one line for each gap and for each problem of the file.
func (u *unreadableMap) Error() string { return u.Gaps.Error() + "\n" + u.edit.Error() }

// Summary is the gaps' summary and the first problem of the file.
func (u *unreadableMap) Summary() string {
	first, _, _ := strings.Cut(u.edit.Error(), "\n")
	return u.Gaps.Summary() + "; and its edited file cannot be read: " + first
}

// erasureMap is the map that was read last.
func (s *Store) erasureMap() *erasuremap.Map {
	if m := s.edited.Load(); m != nil {
		return m
	}
	return s.opts.Map
}

// Covered is Cover with an error of one line, for people. It names tables and
// columns.
func (s *Store) Covered(ctx context.Context) error {
	_, err := s.covered(ctx)
	return err
}

// covered returns the plan that fits the live schema. Gaps are an error with
// CodeSchema; its message is shown as the reason why a job is blocked.
func (s *Store) covered(ctx context.Context) (*plan.Plan, error) {
	return s.planOrError(s.Cover(ctx))
}

// planOrError returns the plan, or the error of Cover with gaps made a jobs.Error.
func (s *Store) planOrError(err error) (*plan.Plan, error) {
	if gaps, ok := errors.AsType[interface {
		error
		Summary() string
	}](err); ok {
		return nil, &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeSchema, Msg: gaps.Summary()}
	}
	if err != nil {
		return nil, err
	}
	return s.plan.Load(), nil
}

// basics returns a plan that knows keys and tenants, even while the map has gaps:
// then a request is accepted, and its job waits until the gaps are closed.
func (s *Store) basics(ctx context.Context) (*plan.Plan, error) {
	if p := s.plan.Load(); p != nil {
		return p, nil
	}
	if err := s.Cover(ctx); err != nil {
		if _, gaps := errors.AsType[plan.Gaps](err); !gaps {
			return nil, err
		}
	}
	if p := s.plan.Load(); p != nil {
		return p, nil
	}
	return nil, &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeSchema,
		Msg: "the map does not name a client table of this database: run oubli check"}
}
