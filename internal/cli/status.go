package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"text/tabwriter"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

// statusFlags is the command line of `oubli status`.
type statusFlags struct {
	watch, json, clients bool
	merges               bool
	state                string
	limit                int
}

func (c *cli) status() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status [ID]",
		Short: "Shows how an erasure or a merge is getting on, or lists the recent ones",
		Long: `Shows an erasure or a merge: its state, clients by outcome, exceptions by code,
rows by table, the mail and the times. Without an ID it lists the recent
erasures, with --merges the recent merges.

Exits with 1 when the job has ended otherwise than completed.`,
		Example: `  oubli status
  oubli status --state running
  oubli status --merges
  oubli status 0198c0de-7c1e-7a52-9d0e-3f6b8f2c4a11 --watch
  oubli status 0198c0de-7c1e-7a52-9d0e-3f6b8f2c4a11 --clients
  oubli status 0198c0de-7c1e-7a52-9d0e-3f6b8f2c4a11 --json | jq .counts`,
		GroupID: groupUse,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.listStatus(cmd.Context(), f)
			}
			return c.showStatus(cmd.Context(), args[0], f)
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&f.watch, "watch", "w", false, "show the progress until the job has ended")
	fs.BoolVar(&f.json, "json", false, "print JSON, as the API gives it")
	fs.BoolVar(&f.clients, "clients", false, "list every client that is not plainly erased or merged, with the code")
	fs.BoolVar(&f.merges, "merges", false, "list merges instead of erasures")
	fs.StringVar(&f.state, "state", "", "list only jobs in this state")
	fs.IntVar(&f.limit, "limit", 20, "how many to list")
	return cmd
}

func (c *cli) showStatus(ctx context.Context, id string, f statusFlags) error {
	if _, err := uuid.Parse(id); err != nil {
		return usage("want the id of an erasure or a merge, such as 0198c0de-7c1e-7a52-9d0e-3f6b8f2c4a11, got %s", id)
	}
	if f.json && f.clients {
		return usage("want --json or --clients, got both")
	}
	api, _, err := app.APIClient(c.env())
	if err != nil {
		return err
	}
	var j jobs.Job
	if f.watch {
		j, err = c.follow(ctx, api, id)
	} else {
		j, err = api.Find(ctx, id)
	}
	if err != nil {
		return err
	}
	if f.json {
		err = c.writeJSON(asAnswered(j))
	} else {
		terminal.WriteOutcome(c.stdout, j)
	}
	if err == nil && f.clients {
		all := api.Exceptions(ctx, id, "")
		if j.Merge != nil {
			all = api.MergeExceptions(ctx, id)
		}
		err = c.writeExceptions(all)
	}
	if err != nil {
		return err
	}
	return outcomeError(j)
}

// asAnswered is the job as the API gives it.
func asAnswered(j jobs.Job) any {
	if j.Merge != nil {
		return j.AsMerge()
	}
	return j
}

func (c *cli) writeJSON(v any) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// writeExceptions prints one line per client as they arrive: there may be a
// hundred thousand.
func (c *cli) writeExceptions(all iter.Seq2[jobs.Exception, error]) error {
	fmt.Fprintf(c.stdout, "\n  %-24s  %-16s  %s\n", "Client", "Outcome", "Code")
	for e, err := range all {
		if err != nil {
			return err
		}
		until := ""
		if e.RetainedUntil != nil {
			until = " until " + e.RetainedUntil.String()
		}
		if e.Detail != "" {
			until = ": " + terminal.Printable(e.Detail)
		}
		_, err := fmt.Fprintf(c.stdout, "  %-24s  %-16s  %s%s\n",
			terminal.Printable(e.ClientID), terminal.Words(string(e.Outcome)), terminal.Printable(e.Code), until)
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) listStatus(ctx context.Context, f statusFlags) error {
	switch {
	case f.watch || f.clients:
		return usage("--watch and --clients want the id of a job")
	case f.state != "" && !jobs.State(f.state).Valid():
		return usage("--state: want one of %v, got %s", jobs.States(), f.state)
	case f.limit < 1 || f.limit > jobs.MaxPage:
		return usage("--limit: want 1..%d, got %d", jobs.MaxPage, f.limit)
	}
	api, _, err := app.APIClient(c.env())
	if err != nil {
		return err
	}
	page := jobs.Page{Limit: f.limit}
	if f.merges {
		list, err := api.Merges(ctx, jobs.State(f.state), page)
		if err != nil {
			return err
		}
		items := make([]jobs.Job, len(list.Items))
		for i, m := range list.Items {
			items[i] = m.Job()
		}
		return c.writeList(f, "No merges.", list, items, list.Next)
	}
	list, err := api.List(ctx, jobs.State(f.state), page)
	if err != nil {
		return err
	}
	return c.writeList(f, "No erasures.", list, list.Items, list.Next)
}

func (c *cli) writeList(f statusFlags, none string, answer any, items []jobs.Job, next string) error {
	if f.json {
		return c.writeJSON(answer)
	}
	if len(items) == 0 {
		_, err := fmt.Fprintln(c.stdout, none)
		return err
	}
	t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tCLIENTS\tEXCEPTIONS\tCREATED\tBY")
	for _, j := range items {
		state := terminal.Words(string(j.State))
		if j.DryRun {
			state += ", dry run"
		}
		fmt.Fprintf(t, "%s\t%s\t%s/%s\t%s\t%s\t%s\n", terminal.Printable(j.ID), state,
			terminal.Thousands(int64(j.Counts.Done())), terminal.Thousands(int64(j.Requested)),
			terminal.Thousands(int64(j.Counts.Exceptions())), terminal.Stamp(j.CreatedAt), terminal.Printable(j.CreatedBy))
	}
	if next != "" {
		fmt.Fprintf(t, "… and older ones; --limit shows more\n")
	}
	return t.Flush()
}
