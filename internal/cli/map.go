package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/jobs"
)

func (c *cli) check() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Compares the map with the live schema",
		Long: `Compares the map of OUBLI_MAP with the database of OUBLI_DATABASE_URL and lists
what the map does not cover: where, why, and the fix. Workers compare map and
schema in the same way when they start and before every chunk.

Of texts, JSON and composites that the map says nothing about it samples at most
1,000 rows of each table, and holds the values against keys, e-mail addresses,
telephone numbers and names of clients. A column with such values is a gap; a
column of which the sample cannot say is listed as not placed. Only counts leave
the database. Without other gaps it writes what the map says, for two tenants, and
rolls it back, to find what a CHECK, a domain or a trigger refuses. Workers do
neither, and such findings do not stop them.

--json prints {covered, map, gaps: [{place, table, column, why, fix, found}],
not_placed: [{table, column, why, fix}], warnings: [{table, why, fix}]}.

Exit codes: 0 no gaps, whatever the warnings and whatever is not placed; 1 gaps;
2 the check could not run. "covered" is said only when nothing is left to place.`,
		GroupID: groupMap,
		Example: `  oubli check
  oubli check --json | jq -r '.gaps[].why'     # in the application's own CI`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runCheck(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, for pipelines")
	return cmd
}

func (c *cli) runCheck(ctx context.Context, asJSON bool) error {
	compiled, err := app.Check(ctx, c.env())
	problems, unfinished := errors.AsType[erasuremap.Problems](err)
	switch {
	case unfinished:
		compiled.Gaps = asGaps(problems)
	case err != nil:
		return &exitError{ExitUsage, err}
	}
	v := newVerdict(compiled)
	if asJSON {
		enc := json.NewEncoder(c.stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return err
		}
	} else {
		v.print(c.stdout)
	}
	if len(v.Gaps) > 0 {
		return exceptions()
	}
	return nil
}

func (c *cli) plan() *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Prints the SQL that erasing or merging runs",
		Long: `Prints the statements that one chunk of an erasure runs, in order, with what
each parameter stands for. Values are parameters only; none is part of the SQL.

With --kind merge it prints what one source of a merge into another client runs
that fills blanks, lets the target win conflicts and deletes the source; other
merges run a part of it. A merge into the anonymous profile runs an erasure's
statements.`,
		GroupID: groupMap,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if kind := jobs.Kind(kind); kind == jobs.Erasure || kind == jobs.Merge {
				return c.runPlan(cmd.Context(), kind)
			}
			return usage("--kind: want erasure or merge, got %s", kind)
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "erasure", "which job's statements: erasure or merge")
	return cmd
}

func (c *cli) runPlan(ctx context.Context, kind jobs.Kind) error {
	compiled, err := app.Compile(ctx, c.env())
	if err != nil {
		return &exitError{ExitUsage, err}
	}
	if len(compiled.Gaps) > 0 {
		return fmt.Errorf("no plan: %s: run oubli check", compiled.Gaps.Summary())
	}
	p := compiled.Plan
	statements, late := p.Statements(), p.LateRows.All()
	if kind == jobs.Merge {
		if len(p.Merge.Refused) > 0 {
			return fmt.Errorf("no merges under this map: %s", p.Merge.Refused.Error())
		}
		statements, late = p.Merge.Statements(), p.LateRowsOfMerges()
	}
	for _, s := range statements {
		fmt.Fprintln(c.stdout, s)
	}
	if len(late) > 0 {
		fmt.Fprintln(c.stdout, "\n-- Second looks, after the job and once a day: rows that were written about its clients "+
			"after these were erased.")
	}
	for _, s := range late {
		fmt.Fprintln(c.stdout, s)
	}
	return nil
}
