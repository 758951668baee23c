package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

// mergeFlags is the command line of `oubli merge`.
type mergeFlags struct {
	request    apiclient.Merge
	file       string
	key        string
	keepSource bool
	noFill     bool
	yes        bool
	noWait     bool
}

func (c *cli) merge() *cobra.Command {
	var f mergeFlags
	cmd := &cobra.Command{
		Use:   "merge --client ID… --into ID | --anonymous",
		Short: "Merges clients into another one, or into the anonymous profile",
		Long: `Asks the HTTP API to move what belongs to one client to another one, for example
when somebody was entered twice, or to the tenant's anonymous profile. It cannot
be undone.

First a dry run shows what would be done: rows by table, and conflicts, which are
rows that the target has already. After you have typed the number of clients the
merge is done.

With --conflicts fail a client with conflicts stays as it is; with keep_target
its conflicting rows are deleted. Rows that carry value, such as a membership,
are never deleted. The dry run does not see conflicts between two of the clients
named. --yes leaves out the dry run and the question.

Ctrl-C stops the watching, not the merge. OUBLI_URL says where the API is,
OUBLI_TOKEN holds a token with the role admin.`,
		Example: `  oubli merge --client 4712 --into 4711
  oubli merge --client 4712 4713 --into 4711 --conflicts keep_target
  oubli merge --client 4712 --anonymous --comment "RGPD"
  oubli merge --client 4712 --into 4711 --keep-source --dry-run`,
		GroupID: groupUse,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && !cmd.Flags().Changed("client") {
				return fmt.Errorf("want --client before client ids, as in: oubli merge --client %s --into ID", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.request.SourceIDs = append(f.request.SourceIDs, args...)
			return c.runMerge(cmd.Context(), f)
		},
	}
	fs, r := cmd.Flags(), &f.request
	fs.StringArrayVar(&r.SourceIDs, "client", nil, "client that is merged; more ids may follow")
	fs.StringVar(&f.file, "client-file", "", "file with one client id per line, - for standard input")
	fs.StringVar(&r.Target.ClientID, "into", "", "client that gets what belongs to the others")
	fs.BoolVar(&r.Target.Anonymous, "anonymous", false, "merge into the anonymous profile, by the rules of an erasure")
	fs.BoolVar(&f.keepSource, "keep-source", false, "do not delete the clients that were merged")
	fs.BoolVar(&f.noFill, "no-fill", false, "do not give the target what it lacks, such as a phone number")
	fs.StringVar((*string)(&r.Conflicts), "conflicts", string(jobs.FailOnConflict),
		"fail (leave that client as it is) or keep_target (its conflicting rows are deleted)")
	fs.StringVar(&r.Comment, "comment", "", "kept with the job, for your records; name nobody in it")
	fs.StringSliceVar(&r.Notify, "notify", nil, "addresses that get the mail (default: the token's)")
	fs.StringVar(&r.Locale, "locale", "", "language of the mail: fr, de, en, es, it or nl (default: the tenant's)")
	fs.StringVar(&r.TenantID, "tenant", "", "tenant of the clients, for a token that is good for all of them")
	fs.StringVar(&f.key, "idempotency-key", "", "makes repeating the same command harmless (default: a new one)")
	fs.BoolVar(&r.DryRun, "dry-run", false, "show what would be done, and do nothing")
	fs.BoolVarP(&f.yes, "yes", "y", false, "leave out the dry run and the question")
	fs.BoolVar(&f.noWait, "no-wait", false, "print the job's id and do not wait for its end")
	return cmd
}

// complete reads the client ids from the file, and parses and checks the flags.
func (f *mergeFlags) complete(c *cli) error {
	r := &f.request
	if f.file != "" {
		ids, err := c.readIDs(f.file)
		if err != nil {
			return err
		}
		r.SourceIDs = append(r.SourceIDs, ids...)
	}
	var err error
	if r.SourceIDs, err = distinctIDs(r.SourceIDs, "merge", jobs.MaxSources); err != nil {
		return err
	}
	if (r.Target.ClientID == "") != r.Target.Anonymous {
		return usage("want who takes over: either --into ID or --anonymous")
	}
	if r.Conflicts != jobs.FailOnConflict && r.Conflicts != jobs.KeepTarget {
		return usage("--conflicts: want fail or keep_target, got %s", r.Conflicts)
	}
	if len(f.key) > jobs.MaxIdempotencyK || strings.ContainsFunc(f.key, func(b rune) bool { return b <= ' ' || b > '~' }) {
		return usage("--idempotency-key: want up to %d visible ASCII characters", jobs.MaxIdempotencyK)
	}
	r.DeleteSource, r.FillBlanks = !f.keepSource, !f.noFill
	return nil
}

func (c *cli) runMerge(ctx context.Context, f mergeFlags) error {
	if err := f.complete(c); err != nil {
		return err
	}
	if !f.yes && !f.request.DryRun && (!c.asks || f.file == "-") {
		return usage("nobody can be asked here; add --yes to merge without the question")
	}
	api, url, err := app.APIClient(c.env())
	if err != nil {
		return err
	}
	c.previewMerge(f, url)
	if f.request.DryRun {
		j, err := c.rehearseMerge(ctx, api, f)
		if err != nil {
			return err
		}
		terminal.WriteOutcome(c.stdout, j)
		return outcomeError(j)
	}
	if !f.yes {
		if err := c.askForMerge(ctx, api, f); err != nil {
			return err
		}
	}
	if f.key == "" {
		f.key = apiclient.NewIdempotencyKey()
	}
	j, err := api.CreateMerge(ctx, f.request, f.key)
	if err != nil {
		if mayHaveArrived(ctx, err) {
			return fmt.Errorf("%w; it may have been accepted: to repeat it without harm add --idempotency-key %s", err, f.key)
		}
		return err
	}
	if f.noWait {
		_, err := fmt.Fprintln(c.stdout, terminal.Printable(j.ID))
		return err
	}
	fmt.Fprintf(c.stderr, "Accepted as merge %s. Ctrl-C stops the watching, not the merge.\n", terminal.Printable(j.ID))
	if j, err = c.follow(ctx, api, j.ID); err != nil {
		return err
	}
	terminal.WriteOutcome(c.stdout, j)
	return outcomeError(j)
}

// rehearseMerge runs the merge as a dry run.
func (c *cli) rehearseMerge(ctx context.Context, api *apiclient.Client, f mergeFlags) (jobs.Job, error) {
	f.request.DryRun, f.request.Notify = true, nil
	j, err := api.CreateMerge(ctx, f.request, "")
	if err != nil {
		return j, err
	}
	return c.follow(ctx, api, j.ID)
}

// askForMerge shows what a merge would do and lets the person type how many
// clients it is about.
func (c *cli) askForMerge(ctx context.Context, api *apiclient.Client, f mergeFlags) error {
	j, err := c.rehearseMerge(ctx, api, f)
	if err != nil {
		return err
	}
	terminal.WriteOutcome(c.stderr, j)
	if j.Counts.Erased+j.Counts.ErasedRetained == 0 {
		return errors.New("nobody would be merged; nothing was changed")
	}
	return c.confirm(ctx, len(f.request.SourceIDs), "nothing was merged")
}

// previewMerge says what is asked for.
func (c *cli) previewMerge(f mergeFlags, url string) {
	r := f.request
	line := func(label, value string) { fmt.Fprintf(c.stderr, "  %-10s%s\n", label, terminal.Printable(value)) }
	if n := terminal.Count(len(r.SourceIDs), "client"); r.DryRun {
		fmt.Fprintf(c.stderr, "Dry run of the merge of %s: every change is taken back.\n", n)
	} else {
		fmt.Fprintf(c.stderr, "To be merged: %s. This cannot be undone.\n", n)
	}
	line("clients", firstFew(r.SourceIDs))
	if r.Target.Anonymous {
		line("into", "the anonymous profile")
	} else {
		line("into", r.Target.ClientID)
	}
	if r.DeleteSource {
		line("sources", "are deleted")
	} else {
		line("sources", "stay, without what belonged to them")
	}
	line("conflicts", map[jobs.ConflictRule]string{
		jobs.FailOnConflict: "keep a client from being merged",
		jobs.KeepTarget:     "the target's row wins",
	}[r.Conflicts])
	line("through", url)
	if r.TenantID != "" {
		line("tenant", r.TenantID)
	}
	if !r.DryRun {
		notify := "the token's address"
		if len(r.Notify) > 0 {
			notify = strings.Join(r.Notify, ", ")
		}
		line("mail to", notify)
	}
	if r.Comment != "" {
		line("comment", r.Comment)
	}
}
