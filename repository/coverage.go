package repository

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/jobs"
)

// Cover makes sure that the plan fits the live schema, and compiles it anew
// when the schema has changed. Its error is plan.Gaps when the map does not
// cover the schema; then the map's file is read again, if there is a way to.
func (s *Store) Cover(ctx context.Context) error { return s.cover(ctx, false) }

// cover is Cover; again judges the map although the catalog is the same, since
// what its expressions call can go without a trace there.
func (s *Store) cover(ctx context.Context, again bool) error {
	fits := func() (bool, error) {
		var live string
		if err := s.pool.QueryRow(ctx, schema.FingerprintSQL).Scan(&live); err != nil {
			return false, fault("read catalog fingerprint", err)
		}
		p := s.plan.Load()
		return p != nil && p.Fingerprint == live && len(p.Erase) > 0, nil
	}
	if ok, err := fits(); err != nil || ok && !again {
		return err
	}
	// One at a time, or the plan of an older map could replace that of a newer.
	if err := s.compiling.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait for the plan: %w", err)
	}
	defer s.compiling.Release(1)
	if ok, err := fits(); err != nil || ok && !again {
		return err // somebody else has just done it
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fault("connect to database", err)
	}
	defer conn.Release()
	gaps, err := s.compile(ctx, conn.Conn(), s.erasureMap())
	if err != nil || len(gaps) == 0 {
		return err
	}
	return s.reread(ctx, conn.Conn(), gaps)
}

// compile makes the plan for a map, and keeps it with its gaps too: requests
// are accepted by what it knows of keys and tenants.
func (s *Store) compile(ctx context.Context, conn *pgx.Conn, m *erasuremap.Map) (plan.Gaps, error) {
	p, gaps, _, err := schema.Compile(ctx, conn, m)
	if err != nil {
		return nil, err
	}
	if p != nil {
		s.plan.Store(p)
	}
	return gaps, nil
}

// reread reads the map's file again, because what it said does not suffice: an
// edit is all that it takes to go on. A file that cannot be read changes
// nothing, and is part of the reason from then on.
func (s *Store) reread(ctx context.Context, conn *pgx.Conn, gaps plan.Gaps) error {
	if s.opts.LoadMap == nil {
		return gaps
	}
	m, err := s.opts.LoadMap()
	if err != nil {
		return &badEdit{gaps, err}
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

// badEdit is gaps beside a file that was edited and cannot be read.
type badEdit struct {
	plan.Gaps
	edit error
}

func (u *badEdit) Unwrap() error { return u.Gaps }

// Error is one line for each gap, and for each problem of the file.
func (u *badEdit) Error() string { return u.Gaps.Error() + "\n" + u.edit.Error() }

// Summary is that of the gaps, with the first thing that is wrong with the file.
func (u *badEdit) Summary() string {
	first, _, _ := strings.Cut(u.edit.Error(), "\n")
	return u.Gaps.Summary() + "; and its edited file cannot be read: " + first
}

// erasureMap is the map as it was last read.
func (s *Store) erasureMap() *erasuremap.Map {
	if m := s.edited.Load(); m != nil {
		return m
	}
	return s.opts.Map
}

// Covered is Cover with an error for people: one line that names tables and
// columns.
func (s *Store) Covered(ctx context.Context) error {
	_, err := s.covered(ctx)
	return err
}

// covered is Cover for whoever must not go on without: gaps come as a schema
// mismatch, with the reason that a job's readers are shown.
func (s *Store) covered(ctx context.Context) (*plan.Plan, error) {
	return s.planned(s.Cover(ctx))
}

func (s *Store) planned(err error) (*plan.Plan, error) {
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

// basics is a plan that knows keys and tenants, even while the map has gaps:
// a request may be accepted and wait.
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
	return nil, &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeSchema, Msg: "the map does not name a client table of this database: run oubli check"}
}
