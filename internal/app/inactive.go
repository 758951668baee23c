package app

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/oubli/oubli/internal/apiclient"
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

// check finds what does not go together on the command line.
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
	for some := range slices.Chunk(i.exclude, jobs.MaxTicks) {
		if sel, err = api.Untick(ctx, sel.ID, some); err != nil {
			return sel, err
		}
	}
	fmt.Fprintf(c.stderr, "Inactive since %s: %s to erase.\n", sel.Cutoff.UTC().Format("2006-01-02 15:04 MST"), count(sel.Total, "client"))
	for _, guard := range slices.Sorted(maps.Keys(sel.Blocked)) {
		fmt.Fprintf(c.stderr, "  left out  %s, %s\n", words(guard), thousands(int64(sel.Blocked[guard])))
	}
	if sel.Excluded > 0 {
		fmt.Fprintf(c.stderr, "  left out  unticked, %s\n", thousands(int64(sel.Excluded)))
	}
	if err := c.showCandidates(ctx, api, sel, i.show); err != nil {
		return sel, err
	}
	f.request.SelectionID, f.request.ExpectedCount = sel.ID, &sel.Total
	f.request.Reason = jobs.Inactivity
	return sel, nil
}

// showCandidates lists the first few who would go. It goes to standard error,
// as all that is said before the work is done.
func (c *cli) showCandidates(ctx context.Context, api *apiclient.Client, sel jobs.Selection, n int) error {
	if n <= 0 {
		return nil
	}
	for candidate, err := range api.Candidates(ctx, sel.ID) {
		if err != nil {
			return err
		}
		if !candidate.Included {
			continue
		}
		name, last := "–", "never"
		if candidate.Name != nil {
			name = *candidate.Name
		}
		if candidate.LastActivityAt != nil {
			last = candidate.LastActivityAt.UTC().Format("2006-01-02")
		}
		fmt.Fprintf(c.stderr, "    %-14s %-36s last active %s\n", printable(candidate.ClientID), printable(name), last)
		if n--; n == 0 {
			break
		}
	}
	return nil
}
