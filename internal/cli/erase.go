package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

// eraseFlags is the command line of `oubli erase`.
type eraseFlags struct {
	request  apiclient.Erasure
	inactive inactiveFlags
	file     string
	start    string
	key      string
	yes      bool
	noWait   bool
}

func (c *cli) erase() *cobra.Command {
	var f eraseFlags
	cmd := &cobra.Command{
		Use:   "erase --inactive PERIOD | --client ID…",
		Short: "Erases clients and shows how it went",
		Long: `Asks the HTTP API to erase clients, after you have typed their number, shows
the progress, and prints what became of them. It cannot be undone.

With --inactive it first selects everybody without activity for a period and
shows how many they are and whom a guard leaves out; --show lists some of them,
--exclude leaves some out. An appointment to come keeps a client, and so does
one that was cancelled or missed.

Each client is checked again in the transaction that erases them: one with a
guard that holds, such as an unpaid balance, is skipped and reported.

Ctrl-C stops the watching, not the erasure. OUBLI_URL says where the API is,
OUBLI_TOKEN holds a token with the role admin.`,
		Example: `  oubli erase --inactive P1Y --show 20
  oubli erase --inactive P18M --exclude 4711 --exclude 4712
  oubli erase --client 4711 --comment "request of 3 May"
  oubli erase --client 4711 4712 4713 --notify privacy@example.com
  oubli erase --client-file former-clients.txt --reason inactivity
  psql -Atc "SELECT id FROM clients WHERE …" booking | oubli erase --client-file - --yes --no-wait`,
		GroupID: groupUse,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && !cmd.Flags().Changed("client") {
				return fmt.Errorf("want --client before client ids, as in: oubli erase --client %s", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.request.ClientIDs = append(f.request.ClientIDs, args...)
			return c.runErase(cmd.Context(), f)
		},
	}
	fs, r := cmd.Flags(), &f.request
	fs.StringArrayVar(&r.ClientIDs, "client", nil, "client to erase; more ids may follow")
	fs.StringVar(&f.inactive.period, "inactive", "", "select clients without activity for this long: P1Y, P18M, P90D")
	fs.StringSliceVar(&f.inactive.without, "without", nil,
		"with --inactive: the kinds of activity to look at (default: all that the map names)")
	fs.BoolVar(&f.inactive.includeNew, "include-new-clients", false, "with --inactive: also clients created within the period")
	fs.StringArrayVar(&f.inactive.exclude, "exclude", nil, "with --inactive: leave this client out; may be repeated")
	fs.IntVar(&f.inactive.show, "show", 0, "with --inactive: list the first so many before asking")
	fs.StringVar(&f.file, "client-file", "", "file with one client id per line, - for standard input")
	fs.StringVar((*string)(&r.Reason), "reason", string(jobs.SubjectRequest),
		"subject_request (they asked) or inactivity (nobody active is erased)")
	fs.StringVar(&r.Comment, "comment", "", "kept with the job, for your records; name nobody in it")
	fs.StringSliceVar(&r.Notify, "notify", nil, "addresses that get the mail (default: the token's)")
	fs.StringVar(&r.Locale, "locale", "", "language of the mail: fr, de, en, es, it or nl (default: the tenant's)")
	fs.StringVar(&f.start, "not-before", "", "when to start: 2026-05-03T22:00:00Z, or from now on, such as 24h")
	fs.StringSliceVar(&r.Override, "override", nil, "guards to ignore, where the map allows it")
	fs.StringVar(&r.TenantID, "tenant", "", "tenant of the clients, for a token that is good for all of them")
	fs.StringVar(&f.key, "idempotency-key", "", "makes repeating the same command harmless (default: a new one)")
	fs.BoolVar(&r.DryRun, "dry-run", false, "run everything and roll it back: shows what would be erased")
	fs.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	fs.BoolVar(&f.noWait, "no-wait", false, "print the job's id and do not wait for its end")
	return cmd
}

func (c *cli) runErase(ctx context.Context, f eraseFlags) error {
	if err := f.checkInactive(); err != nil {
		return err
	}
	f.yes = f.yes || f.request.DryRun // a dry run changes nothing
	if !f.yes && (!c.asks || f.file == "-") {
		return usage("nobody can be asked here; add --yes to erase without the question")
	}
	if err := f.complete(c, time.Now()); err != nil {
		return err
	}
	api, url, err := app.APIClient(c.env())
	if err != nil {
		return err
	}
	n := len(f.request.ClientIDs)
	if f.inactive.period != "" {
		sel, err := c.selectInactive(ctx, api, &f)
		if err != nil {
			return err
		}
		if n = sel.Total; n == 0 {
			_, err := fmt.Fprintln(c.stdout, "Nobody to erase.")
			return err
		}
	}
	c.preview(f, n, url)
	if !f.yes {
		if err := c.confirm(ctx, n, "nothing was erased"); err != nil {
			return err
		}
	}
	if f.key == "" {
		f.key = apiclient.NewIdempotencyKey()
	}
	j, err := api.CreateErasure(ctx, f.request, f.key)
	if err != nil {
		return f.submitError(ctx, err)
	}
	if f.noWait {
		_, err := fmt.Fprintln(c.stdout, terminal.Printable(j.ID))
		return err
	}
	fmt.Fprintf(c.stderr, "Accepted as erasure %s. Ctrl-C stops the watching, not the erasure.\n", terminal.Printable(j.ID))
	if j, err = c.follow(ctx, api, j.ID); err != nil {
		return err
	}
	terminal.WriteOutcome(c.stdout, j)
	return outcomeError(j)
}

// mayHaveArrived reports whether the API may have accepted a request although
// it ended with an error.
func mayHaveArrived(ctx context.Context, err error) bool {
	return ctx.Err() != nil || jobs.KindOf(err) == jobs.Unavailable || jobs.KindOf(err) == jobs.Internal
}

// submitError says how to repeat a request that may have been accepted, so that
// it is not accepted twice.
func (f *eraseFlags) submitError(ctx context.Context, err error) error {
	if !mayHaveArrived(ctx, err) {
		return err
	}
	if f.inactive.period != "" { // a repeat would make another selection, which is another request
		return fmt.Errorf("%w; it may have been accepted: oubli status lists the recent erasures", err)
	}
	again := "--idempotency-key " + f.key
	if f.request.NotBefore != nil {
		again += " --not-before " + f.request.NotBefore.Format(time.RFC3339)
	}
	return fmt.Errorf("%w; it may have been accepted: to repeat it without harm add %s", err, again)
}

// complete reads the client ids from the file, and parses and checks the flags.
func (f *eraseFlags) complete(c *cli, now time.Time) error {
	r := &f.request
	if f.file != "" {
		ids, err := c.readIDs(f.file)
		if err != nil {
			return err
		}
		r.ClientIDs = append(r.ClientIDs, ids...)
	}
	var err error
	if f.inactive.period == "" {
		if r.ClientIDs, err = distinctIDs(r.ClientIDs, "erase", jobs.MaxClients); err != nil {
			return err
		}
	}
	if r.Reason != jobs.SubjectRequest && r.Reason != jobs.Inactivity {
		return usage("--reason: want subject_request or inactivity, got %s", r.Reason)
	}
	if len(f.key) > jobs.MaxIdempotencyK || strings.ContainsFunc(f.key, func(b rune) bool { return b <= ' ' || b > '~' }) {
		return usage("--idempotency-key: want up to %d visible ASCII characters", jobs.MaxIdempotencyK)
	}
	if f.start == "" {
		return nil
	}
	start, err := time.Parse(time.RFC3339, f.start)
	if err != nil {
		d, err := time.ParseDuration(f.start)
		if err != nil || d < 0 {
			return usage("--not-before: want a time such as 2026-05-03T22:00:00Z or a duration such as 24h, got %s", f.start)
		}
		if f.key != "" {
			return usage("--not-before: want a time such as %s, because a duration would make each repetition of "+
				"--idempotency-key another request", now.Add(d).UTC().Format(time.RFC3339))
		}
		start = now.Add(d).UTC().Truncate(time.Second)
	}
	r.NotBefore = &start
	return nil
}

// preview says what will happen.
func (c *cli) preview(f eraseFlags, n int, url string) {
	r := f.request
	line := func(label, value string) { fmt.Fprintf(c.stderr, "  %-10s%s\n", label, terminal.Printable(value)) }
	if r.DryRun {
		fmt.Fprintf(c.stderr, "Dry run of the erasure of %s: every change is taken back.\n", terminal.Count(n, "client"))
	} else {
		fmt.Fprintf(c.stderr, "To be erased: %s. This cannot be undone.\n", terminal.Count(n, "client"))
	}
	if len(r.ClientIDs) > 0 {
		line("clients", firstFew(r.ClientIDs))
	}
	line("through", url)
	if r.TenantID != "" {
		line("tenant", r.TenantID)
	}
	line("reason", terminal.Words(string(r.Reason)))
	if r.NotBefore != nil {
		line("start", terminal.Stamp(*r.NotBefore))
	}
	if len(r.Override) > 0 {
		line("override", strings.Join(r.Override, ", "))
	}
	notify := "the token's address"
	if len(r.Notify) > 0 {
		notify = strings.Join(r.Notify, ", ")
	}
	if !r.DryRun {
		line("mail to", notify)
	}
	if r.Comment != "" {
		line("comment", r.Comment)
	}
}

// firstFew lists the first few ids.
func firstFew(ids []string) string {
	const few = 5
	if len(ids) <= few {
		return strings.Join(ids, ", ")
	}
	return strings.Join(ids[:few], ", ") + " and " + terminal.Thousands(int64(len(ids)-few)) + " more"
}

// confirm lets the person type the number of clients.
func (c *cli) confirm(ctx context.Context, n int, otherwise string) error {
	fmt.Fprintf(c.stderr, "Type the number of clients to go on: ")
	typed := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(c.stdin).ReadString('\n') // an error leaves what was typed
		typed <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(c.stderr)
		return errors.New("not confirmed; " + otherwise)
	case line := <-typed:
		if line != fmt.Sprint(n) && line != terminal.Thousands(int64(n)) {
			return fmt.Errorf("not confirmed: want %d; %s", n, otherwise)
		}
		return nil
	}
}
