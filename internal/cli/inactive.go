package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

// inactiveFlags is the part of the command line of `oubli erase` that selects
// clients instead of naming them.
type inactiveFlags struct {
	period     string
	without    []string
	includeNew bool
	exclude    []string
	show       int
}

// checkInactive finds flags that do not go together.
func (f *eraseFlags) checkInactive() error {
	i := f.inactive
	switch {
	case i.period == "" && (len(i.without) > 0 || i.includeNew || len(i.exclude) > 0 || i.show > 0):
		return usage("--without, --include-new-clients, --exclude and --show go with --inactive")
	case i.period == "":
		return nil
	case len(f.request.ClientIDs) > 0 || f.file != "":
		return usage("want --inactive or --client, not both")
	case !jobs.ValidPeriod(i.period):
		return usage("--inactive: want an ISO 8601 period such as P1Y, P18M or P90D, got %s", i.period)
	}
	return nil
}

// selectInactive makes the selection, shows it, and puts it into the request.
func (c *cli) selectInactive(ctx context.Context, api *apiclient.Client, f *eraseFlags) (jobs.Selection, error) {
	i := f.inactive
	sel, err := api.CreateSelection(ctx, apiclient.Selection{
		TenantID: f.request.TenantID, Period: i.period, Without: i.without, IncludeNew: i.includeNew,
	})
	if err != nil {
		return sel, err
	}
	i.exclude = slices.Compact(slices.Sorted(slices.Values(i.exclude)))
	for some := range slices.Chunk(i.exclude, jobs.MaxTicks) {
		if sel, err = api.Untick(ctx, sel.ID, some); err != nil {
			return sel, err
		}
	}
	expected, err := f.expected(ctx, api, sel)
	if err != nil {
		return sel, err
	}
	c.describe(sel, expected, f.request.Override)
	if err := c.showCandidates(ctx, api, sel, i.show); err != nil {
		return sel, err
	}
	f.request.SelectionID, f.request.ExpectedCount = sel.ID, &expected
	f.request.Reason = jobs.Inactivity
	return sel, nil
}

// expected is how many clients an erasure of the selection takes: its total,
// and those left out only by a guard that --override ignores.
func (f *eraseFlags) expected(ctx context.Context, api *apiclient.Client, sel jobs.Selection) (int, error) {
	n := sel.Total
	overridden := map[string]bool{}
	for _, guard := range f.request.Override {
		if !overridden[guard] {
			overridden[guard] = true
			n += sel.Blocked[guard]
		}
	}
	if n == sel.Total || sel.Excluded == 0 {
		return n, nil
	}
	// Clients that are excluded as well stay left out.
	excluded := map[string]bool{}
	for _, id := range f.inactive.exclude {
		excluded[id] = true
	}
	for candidate, err := range api.Candidates(ctx, sel.ID) {
		if err != nil {
			return 0, err
		}
		if excluded[candidate.ClientID] && candidate.Blocked != nil && overridden[*candidate.Blocked] {
			n--
		}
	}
	return n, nil
}

// describe says whom the selection takes and whom it leaves out, and why.
func (c *cli) describe(sel jobs.Selection, expected int, override []string) {
	fmt.Fprintf(c.stderr, "Inactive since %s: %s to erase.\n",
		sel.Cutoff.UTC().Format("2006-01-02 15:04 MST"), terminal.Count(expected, "client"))
	line := func(n int, why string) {
		if n > 0 {
			fmt.Fprintf(c.stderr, "  left out  %7s  %s\n", terminal.Thousands(int64(n)), why)
		}
	}
	for _, guard := range terminal.MostFirst(sel.Blocked) {
		if !slices.Contains(override, guard) {
			line(sel.Blocked[guard], terminal.Words(guard))
		}
	}
	line(sel.Excluded, "excluded by you")
}

// showCandidates lists the first n clients who would be erased. It prints to
// standard error, like everything that comes before the outcome.
func (c *cli) showCandidates(ctx context.Context, api *apiclient.Client, sel jobs.Selection, n int) error {
	if n <= 0 {
		return nil
	}
	for candidate, err := range api.Candidates(ctx, sel.ID) {
		if err != nil {
			return err
		}
		if !candidate.Included {
			continue // a guard applies, or excluded
		}
		name, last := "–", "never"
		if candidate.Name != nil {
			name = *candidate.Name
		}
		if candidate.LastActivityAt != nil {
			last = candidate.LastActivityAt.UTC().Format("2006-01-02")
		}
		fmt.Fprintf(c.stderr, "    %-10s  %-32s  last active %s\n", terminal.Printable(candidate.ClientID), terminal.Printable(name), last)
		if n--; n == 0 {
			break
		}
	}
	return nil
}
