package repository

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// Cover makes sure that the plan fits the live schema, and compiles it anew
// when the schema has changed. Its error is plan.Gaps when the map does not
// cover the schema.
func (s *Store) Cover(ctx context.Context) error {
	var live string
	if err := s.pool.QueryRow(ctx, fingerprintSQL).Scan(&live); err != nil {
		return fault("read catalog fingerprint", err)
	}
	if p := s.plan.Load(); p != nil && p.Fingerprint == live && len(p.Erase) > 0 {
		return nil
	}
	var cat *plan.Catalog
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		cat, err = ReadCatalog(ctx, tx)
		return err
	})
	if err != nil {
		return fault("read catalog", err)
	}
	p, err := plan.Compile(s.opts.Map, cat)
	if p != nil {
		s.plan.Store(p)
	}
	return err
}

// covered is Cover for whoever must not go on without: gaps come as a schema
// mismatch, with the reason that a job's readers are shown.
func (s *Store) covered(ctx context.Context) (*plan.Plan, error) {
	err := s.Cover(ctx)
	if gaps, ok := err.(plan.Gaps); ok {
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
		if _, gaps := err.(plan.Gaps); !gaps {
			return nil, err
		}
	}
	if p := s.plan.Load(); p != nil {
		return p, nil
	}
	return nil, &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeSchema, Msg: "the map does not name a client table of this database: run oubli check"}
}

// Check compiles a map against a database and returns its gaps and warnings,
// for people to read. It only reads the catalog.
func Check(ctx context.Context, url string, m *erasuremap.Map) (*plan.Plan, plan.Gaps, []plan.Warning, error) {
	conn, err := connect(ctx, url)
	if err != nil {
		return nil, nil, nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	cat, err := ReadCatalog(ctx, conn)
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := plan.Compile(m, cat)
	gaps, _ := errors.AsType[plan.Gaps](err)
	return p, gaps, plan.Warnings(m, cat), nil
}
