package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oubli/oubli/internal/app"
)

func (c *cli) grants() *cobra.Command {
	var api, worker string
	cmd := &cobra.Command{
		Use:   "grants",
		Short: "Prints least privileges for the database roles",
		Long: `Prints the GRANTs under which the API and the workers can do their work and
nothing else, for the map of OUBLI_MAP and the database of OUBLI_DATABASE_URL.
Run them as the owner of the tables, again whenever the map changes.`,
		Example: `  oubli grants | psql "$OWNER_URL"
  oubli grants --api-role web_oubli --worker-role job_oubli`,
		GroupID: groupMap,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.runGrants(cmd.Context(), api, worker)
		},
	}
	cmd.Flags().StringVar(&api, "api-role", "oubli_api", "role of oubli serve")
	cmd.Flags().StringVar(&worker, "worker-role", "oubli_worker", "role of oubli worker")
	return cmd
}

func (c *cli) runGrants(ctx context.Context, api, worker string) error {
	compiled, err := app.Compile(ctx, c.env())
	if err != nil {
		return &exitError{ExitUsage, err}
	}
	if len(compiled.Gaps) > 0 {
		return fmt.Errorf("no grants: %s: run oubli check", compiled.Gaps.Summary())
	}
	_, err = fmt.Fprint(c.stdout, compiled.Plan.GrantScript(api, worker))
	return err
}
