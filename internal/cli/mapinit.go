package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/mapinit"
	"github.com/oubli/oubli/internal/terminal"
)

// mapCommands groups what is done to the map's file itself.
func (c *cli) mapCommands() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "map",
		Short:   "Writes a first map from the live database",
		GroupID: groupMap,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.mapInit())
	return cmd
}

func (c *cli) mapInit() *cobra.Command {
	var o mapinit.Options
	var table, output string
	var force bool
	cmd := &cobra.Command{
		Use:   "init --client-table TABLE",
		Short: "Writes a first map from the live database",
		Long: `Writes a first map from the database of OUBLI_DATABASE_URL to standard output:
every table whose rows reach a client, through foreign keys or by what names and
sampled values tell, and a proposal for every column. Where a guess could lose
something or leave somebody's data behind, it says TODO and what to decide; a map
with a TODO is refused by every other command.

It only reads, at most some thousand rows of a table, and no value of a row
leaves the database: only counts do.`,
		Example: `  oubli map init --client-table clients > oubli.yaml
  oubli map init --client-table crm.customers --tenant-column shop_id --output oubli.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if table == "" {
				return usage("--client-table: name the table whose rows are the clients")
			}
			name, err := erasuremap.ParseName(table)
			if err != nil {
				return usage("--client-table: %v", err)
			}
			o.ClientTable = name
			return c.runMapInit(cmd.Context(), o, output, force)
		},
	}
	cmd.Flags().StringVar(&table, "client-table", "", "the table whose rows are the clients, as table or schema.table")
	cmd.Flags().StringVar(&o.TenantColumn, "tenant-column", "", "its column that refers to the tenant (default: found by its foreign key)")
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to this file instead of standard output")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file if there is one")
	return cmd
}

func (c *cli) runMapInit(ctx context.Context, o mapinit.Options, output string, force bool) error {
	if output != "" && !force {
		// Before the database is asked anything; the write below looks again.
		if _, err := os.Lstat(output); err == nil {
			return usage("--output: %s exists: add --force to replace it", output)
		}
	}
	draft, err := app.DraftMap(ctx, c.env(), o)
	if err != nil {
		return &exitError{ExitUsage, err}
	}
	if output == "" {
		_, err = fmt.Fprint(c.stdout, draft.YAML)
		return err
	}
	if err := writeNew(output, draft.YAML, force); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s written, with %s: answer each TODO, then run oubli check\n",
		output, terminal.Count(draft.Todos, "open question"))
	return err
}

// writeNew writes a file that must not be there yet, unless forced.
func writeNew(path, text string, force bool) error {
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, mode, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usage("--output: %s exists: add --force to replace it", path)
	}
	if err != nil {
		return usage("--output: %v", err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
