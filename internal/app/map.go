package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oubli/oubli/config"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/repository"
)

func (c *cli) check() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Holds the map against the live schema",
		Long: `Holds the map of OUBLI_MAP against the database of OUBLI_DATABASE_URL and lists
what the map does not cover: where, why, and the line that mends it. Workers
make the same check when they start and before every chunk.

Exit codes: 0 covered; 1 gaps; 2 the check could not run.`,
		GroupID: groupMap,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runCheck(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, for pipelines")
	return cmd
}

func (c *cli) runCheck(ctx context.Context, asJSON bool) error {
	p, gaps, warnings, err := c.compile(ctx)
	if problems, ok := errors.AsType[erasuremap.Problems](err); ok {
		for _, problem := range problems {
			gaps = append(gaps, plan.Gap{Pos: problem.Pos, Place: problem.Pos.String(), Why: problem.Msg})
		}
	} else if err != nil {
		return &exitError{exitUsage, err}
	}
	if asJSON {
		enc := json.NewEncoder(c.stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(struct {
			Gaps     plan.Gaps      `json:"gaps"`
			Warnings []plan.Warning `json:"warnings"`
		}{append(plan.Gaps{}, gaps...), append([]plan.Warning{}, warnings...)})
	} else {
		c.printCheck(p, gaps, warnings)
	}
	if err == nil && len(gaps) > 0 {
		return exceptions()
	}
	return err
}

func (c *cli) printCheck(p *plan.Plan, gaps plan.Gaps, warnings []plan.Warning) {
	for _, g := range gaps {
		where := g.Table
		if g.Column != "" {
			where += "." + g.Column
		}
		if where != "" {
			where = " " + where
		}
		fmt.Fprintf(c.stdout, "gap%s\n  why   %s\n", where, g.Why)
		if g.Fix != "" {
			fmt.Fprintf(c.stdout, "  mend  %s\n", g.Fix)
		}
		fmt.Fprintf(c.stdout, "  map   %s\n", g.Pos)
	}
	for _, w := range warnings {
		fmt.Fprintf(c.stdout, "warning %s\n  why   %s\n  mend  %s\n", w.Table, w.Why, w.Fix)
	}
	switch {
	case len(gaps) > 0:
		fmt.Fprintf(c.stdout, "\n%s and %s: nothing is erased until the gaps are mended\n", count(len(gaps), "gap"), count(len(warnings), "warning"))
	default:
		fmt.Fprintf(c.stdout, "covered: the map accounts for every row that reaches %s (%s, %s)\n",
			p.Map.Client.Table, count(len(p.Erase), "statement"), count(len(warnings), "warning"))
	}
}

func (c *cli) plan() *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Prints the SQL that erasing runs",
		Long: `Prints the statements that one chunk of an erasure runs, in order, with what
each parameter stands for. Values are parameters only; none is part of the SQL.`,
		GroupID: groupMap,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if kind != "erasure" {
				return usage("--kind: want erasure, got %s", kind)
			}
			return c.runPlan(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "erasure", "which job's statements: erasure")
	return cmd
}

func (c *cli) runPlan(ctx context.Context) error {
	p, gaps, _, err := c.compile(ctx)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if len(gaps) > 0 {
		return fmt.Errorf("no plan: %s: run oubli check", gaps.Summary())
	}
	for _, s := range p.Statements() {
		fmt.Fprintln(c.stdout, s)
	}
	return nil
}

// compile holds the configured map against the configured database. It reads
// only the catalog and needs no control schema.
func (c *cli) compile(ctx context.Context) (*plan.Plan, plan.Gaps, []plan.Warning, error) {
	cfg, err := config.Load(c.environ, c.readFile, config.Database, config.Map)
	if err != nil {
		return nil, nil, nil, err
	}
	m, err := erasuremap.Load(cfg.Map)
	if err != nil {
		return nil, nil, nil, err
	}
	return repository.Check(ctx, cfg.DatabaseURL.Reveal(), m)
}
