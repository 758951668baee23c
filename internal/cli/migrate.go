package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oubli/oubli/internal/app"
)

func (c *cli) migrate() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Creates or updates the control schema in the database",
		Long: `Creates the schema oubli in the database of OUBLI_DATABASE_URL, or brings it up
to date. It changes no other schema, waits for another migration to end, and may
be repeated.`,
		GroupID: groupRun,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runMigrate(cmd.Context()) },
	}
}

func (c *cli) runMigrate(ctx context.Context) error {
	from, to, err := app.Migrate(ctx, c.env())
	if err != nil {
		return err
	}
	text := fmt.Sprintf("schema oubli brought from version %d to %d", from, to)
	if from == to {
		text = fmt.Sprintf("schema oubli is at version %d already", to)
	}
	_, err = fmt.Fprintln(c.stdout, text)
	return err
}
