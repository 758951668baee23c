package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/oubli/oubli/internal/app"
)

func (c *cli) replay() *cobra.Command {
	var o app.ReplayOptions
	var until string
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Erases again who came back with a restored backup",
		Long: `Reads the ledger, and erases and merges again whom the database has forgotten
since the moment to which it was put back. It has the settings of a worker, and
the identity that reads the ledger. It touches nobody who got the key of an
erased client. It may be interrupted and run again.

When nothing is left, the service goes on by itself. Exit codes: 0 nothing is
left; 1 something is left, and is named; 2 it could not run.`,
		Example: `  oubli replay --identity oubli-ledger-identity.txt --dry-run
  oubli replay --identity oubli-ledger-identity.txt`,
		GroupID: groupRun,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if until != "" {
				at, err := time.Parse(time.RFC3339, until)
				if err != nil {
					return usage("--until: want a time such as 2026-11-30T18:00:00Z, got %s", until)
				}
				o.Until = at
			}
			return c.runReplay(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Identity, "identity", "", "file with the secret key of the ledger (default: OUBLI_LEDGER_IDENTITY_FILE)")
	f.BoolVar(&o.DryRun, "dry-run", false, "only say who is back; change nothing")
	f.StringVar(&until, "until", "", "leave out what was erased later; the service does not go on then")
	f.BoolVar(&o.Release, "release", false, "let the service go on although something is left")
	return cmd
}

func (c *cli) runReplay(ctx context.Context, o app.ReplayOptions) error {
	r, err := app.Replay(ctx, c.env(), o, c.logs(), c.tune)
	if err != nil {
		return &exitError{ExitUsage, err}
	}
	if r.AsNew {
		_, err := fmt.Fprintln(c.stdout, "The database is as new as its ledger: there is nothing to replay.")
		return err
	}
	c.showReplay(r, o.DryRun)
	if r.Back+r.InDoubt+r.Refused+len(r.Missing) > 0 || !o.Until.IsZero() {
		return exceptions()
	}
	return nil
}

func (c *cli) showReplay(r app.Replayed, dryRun bool) {
	printf := func(format string, args ...any) { _, _ = fmt.Fprintf(c.stdout, format, args...) }
	printf("Objects %d to %d of the ledger name %d clients who were erased or merged:\n", r.First, r.Last, r.Keys)
	row := func(n int, what string) { printf("%8d  %s\n", n, what) }
	row(r.Absent, "absent: not in the database")
	if dryRun {
		row(r.Back, "are back, and would be erased or merged again")
	} else {
		row(r.ErasedAgain, "erased_again: erased or merged again")
	}
	row(r.KeyReused, "key_reused: the key belongs to somebody else now; not touched")
	if !dryRun {
		row(r.InDoubt, "in_doubt: it is not known whether they were erased, and a guard holds")
		row(r.Refused, "refused: could not be erased or merged again")
	}
	for _, l := range r.Left {
		printf("  tenant %s, client %s: %s (%s)\n", l.TenantID, l.ClientID, l.Outcome, l.Code)
	}
	for _, seq := range r.Missing {
		printf("  object %d of the ledger is gone: what it says is not known\n", seq)
	}
	switch {
	case r.Released:
		printf("The service goes on. Sweeps cleared %d rows whose retention was over.\n", r.Swept)
	case !dryRun:
		printf("The service does not go on yet. --release lets it, although something is left.\n")
	}
}
