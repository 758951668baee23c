package repository

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// knowsTerms makes sure that the map has every activity and every guard that a
// job names. If an activity was renamed since, no client would
// have it, and active clients would be erased: the job is blocked. The map's file is read
// again first, because it may have been fixed.
func (s *Store) knowsTerms(ctx context.Context, p *plan.Plan, t jobs.Terms) (*plan.Plan, error) {
	err := unknownTerms(p, t)
	if err == nil {
		return p, nil
	}
	if edited, e := s.readEdited(ctx); e != nil || !edited {
		return nil, err
	}
	if p, err = s.covered(ctx); err != nil {
		return nil, err
	}
	return p, unknownTerms(p, t)
}

func unknownTerms(p *plan.Plan, t jobs.Terms) error {
	for _, name := range t.Activities {
		if !slices.Contains(p.Activities(), name) {
			return unknownTerm(p, "activity", name, "activity")
		}
	}
	for _, name := range t.Override {
		if !slices.Contains(p.GuardNames(), name) {
			return unknownTerm(p, "guard", name, "guards")
		}
	}
	return nil
}

func unknownTerm(p *plan.Plan, what, name, section string) error {
	return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator,
		Msg: fmt.Sprintf("the job names %s %s, which the map no longer has: write it under %s: in %s again, or cancel the job",
			what, name, section, p.Map.Client.Pos.File)}
}

// readEdited reads the map's file again, and takes it if it has been edited and
// covers the schema.
func (s *Store) readEdited(ctx context.Context) (edited bool, err error) {
	if s.opts.LoadMap == nil {
		return false, nil
	}
	if err := s.compiling.Acquire(ctx, 1); err != nil {
		return false, fmt.Errorf("wait for the plan: %w", err)
	}
	defer s.compiling.Release(1)
	m, err := s.opts.LoadMap()
	if err != nil || reflect.DeepEqual(m, s.erasureMap()) {
		return false, err
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return false, pgfault.Wrap("connect to database", err)
	}
	defer conn.Release()
	if _, err := s.compile(ctx, conn.Conn(), m); err != nil {
		return false, err
	}
	s.edited.Store(m)
	return true, nil
}
