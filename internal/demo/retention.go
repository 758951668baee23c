package demo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/repository"
)

// yearsLater runs the daily sweep with a clock that is set forward to when
// retention periods end, and shows from the database what the sweep cleared.
func (d *demo) yearsLater(ctx context.Context) error {
	sweep, err := newSweeper(ctx, d.url, d.mapFile)
	if err != nil {
		return err
	}
	defer sweep.store.Close()
	// Sweep for tomorrow, because the service may sweep for today. A sweep also counts.
	if err := sweep.on(ctx, time.Now().AddDate(0, 0, 1)); err != nil {
		return err
	}
	years, err := d.showKept(ctx)
	if err != nil || len(years) == 0 {
		return err
	}
	former, err := d.formerClients(ctx)
	if err != nil {
		return err
	}
	totals, err := booking.Totals(ctx, d.db)
	if err != nil {
		return err
	}
	bystanders, err := booking.UntouchedDigest(ctx, d.db, former)
	if err != nil {
		return err
	}
	d.say("\n  The clock is set forward to the ends of years in which a retention period ends.")
	d.say("  Invoices that still have a name, after the sweep of that day:\n")
	line := fmt.Sprintf("  %-20s", "")
	for _, studio := range d.seeded.Studios {
		line += fmt.Sprintf("%10s", studio.Country)
	}
	d.say("%s%12s", line, "cleared")
	for _, year := range years {
		for _, day := range []time.Time{time.Date(year, 12, 31, 12, 0, 0, 0, time.UTC), time.Date(year+1, 1, 1, 12, 0, 0, 0, time.UTC)} {
			if err := d.sweepAndTell(ctx, sweep, day); err != nil {
				return err
			}
		}
	}
	return d.proveGone(ctx, former, totals, bystanders)
}

// formerClients are those of the seeded clients who are no longer there.
func (d *demo) formerClients(ctx context.Context) ([]int64, error) {
	seeded := make([]int64, 0, d.seeded.Clients)
	for id := int64(1); id <= d.seeded.Clients; id++ {
		seeded = append(seeded, id)
	}
	return d.gone(ctx, seeded)
}

// showKept prints what each studio keeps and until when, as its administrator reads
// it. It returns the first year at whose end rows are cleared, and the last year of
// each studio.
func (d *demo) showKept(ctx context.Context) ([]int, error) {
	d.chapter("What the law keeps, and until when")
	d.say("GET /v1/retention, for each studio: invoices that still say to whom they")
	d.say("were made out. Nobody's name is in the answer, and none is linked to anyone.\n")
	var years []int
	for _, studio := range d.seeded.Studios {
		token, err := d.token(studio)
		if err != nil {
			return nil, err
		}
		r, err := apiclient.New("http://"+d.service.APIAddr, token).Retention(ctx, "")
		if err != nil {
			return nil, err
		}
		for _, k := range r.Kept {
			if len(k.Years) == 0 {
				continue
			}
			first, last := k.Years[0], k.Years[len(k.Years)-1]
			d.say("  %-28s %s %8s %s: %s until the end of %d … %s until the end of %d", studio.Name, studio.Country,
				terminal.Thousands(k.Rows), k.Table, terminal.Thousands(first.Rows), first.Year, terminal.Thousands(last.Rows), last.Year)
			years = append(years, last.Year)
			if first.Year < slices.Min(years) {
				years = append(years, first.Year)
			}
		}
	}
	slices.Sort(years)
	return slices.Compact(years), nil
}

// sweeper sweeps as every worker does, with a clock that can be set.
type sweeper struct {
	store *repository.Store
	now   time.Time
}

func newSweeper(ctx context.Context, url, mapFile string) (*sweeper, error) {
	m, err := erasuremap.Load(mapFile)
	if err != nil {
		return nil, err
	}
	s := &sweeper{}
	s.store, err = repository.Open(ctx, repository.Options{URL: url, Map: m, MaxConns: 2, Today: func() time.Time { return s.now }})
	return s, err
}

// on runs the sweep of a day.
func (s *sweeper) on(ctx context.Context, day time.Time) error {
	s.now = day
	swept, err := s.store.SweepRetained(ctx)
	if err != nil {
		return err
	}
	for _, t := range swept {
		if len(t.Refused) > 0 {
			return fmt.Errorf("the database refuses to clear rows of %s: %v", t.Table, t.Refused)
		}
	}
	return nil
}

func (d *demo) sweepAndTell(ctx context.Context, sweep *sweeper, day time.Time) error {
	before, _, err := d.heldInvoices(ctx)
	if err != nil {
		return err
	}
	if err := sweep.on(ctx, day); err != nil {
		return err
	}
	after, line, err := d.heldInvoices(ctx)
	if err != nil {
		return err
	}
	d.say("  %-20s%s%12s", day.Format("2 January 2006"), line, terminal.Thousands(before-after))
	return nil
}

// heldInvoices counts invoices of former clients that say to whom they were
// made out, studio by studio. It asks the database and not the service.
func (d *demo) heldInvoices(ctx context.Context) (sum int64, line string, err error) {
	for _, studio := range d.seeded.Studios {
		var n int64
		err = d.db.QueryRow(ctx, `SELECT count(*) FROM invoices i JOIN clients c ON c.id = i.client_id
			WHERE c.studio_id = $1 AND c.is_anonymous
			  AND (i.billing_name <> c.first_name OR i.billing_address IS NOT NULL OR i.billing_email IS NOT NULL)`, studio.ID).Scan(&n)
		if err != nil {
			return 0, "", err
		}
		sum += n
		line += fmt.Sprintf("%10s", terminal.Thousands(n))
	}
	return sum, line, nil
}

// proveGone checks in the database what was promised for the time after the last
// retention period.
func (d *demo) proveGone(ctx context.Context, former []int64, totals []booking.StudioTotals, bystanders []booking.TableDigest) error {
	traces, err := booking.Traces(ctx, d.db, former)
	if err != nil {
		return err
	}
	if len(traces) > 0 {
		return fmt.Errorf("after the last period %s.%s still has data of a client, in %d rows",
			traces[0].Table, traces[0].Column, traces[0].Count)
	}
	now, err := booking.Totals(ctx, d.db)
	if err != nil {
		return err
	}
	if !slices.Equal(now, totals) {
		return fmt.Errorf("the sweep has changed sums")
	}
	others, err := booking.UntouchedDigest(ctx, d.db, former)
	if err != nil {
		return err
	}
	if !slices.Equal(others, bystanders) {
		return fmt.Errorf("the sweep has changed rows of other clients")
	}
	d.say("\n  No column of any table has data of the %s who were erased any more.", terminal.Count(len(former), "client"))
	d.say("  All invoices are there, with their numbers and sums. No other client has changed.")
	return nil
}
