package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/bench/figures"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

const (
	seed       = 1
	minClients = 1000 // with fewer, the preview's first, middle and last pages overlap
	tenant     = "1"
)

// plan is how often each thing is measured.
type plan struct {
	selections, pages int
	pageSize, untick  int
	idle              time.Duration // of bookings alone
}

var fullPlan = plan{selections: 3, pages: 25, pageSize: 100, untick: 1000, idle: 8 * time.Second}

// bencher measures on a database that is seeded and migrated.
type bencher struct {
	plan
	url     string
	clients int
	log     io.Writer

	store *repository.Store
	admin *pgx.Conn
	live  *live
	r     *report
}

func (b *bencher) measure(ctx context.Context) (_ *report, err error) {
	b.r = &report{started: time.Now(), Clients: b.clients, BookingEvery: every.Seconds() * 1000}
	m, err := erasuremap.Parse("oubli.yaml", booking.Map())
	if err != nil {
		return nil, err
	}
	if b.store, err = repository.Open(ctx, repository.Options{URL: b.url, Map: m}); err != nil {
		return nil, err
	}
	defer b.store.Close()
	if b.admin, err = pgx.Connect(ctx, b.url); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.admin.Close(context.WithoutCancel(ctx))) }()
	if b.live, err = openLive(ctx, b.url); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.live.close()) }()
	if err := b.admin.QueryRow(ctx, "SELECT count(*) FROM appointments").Scan(&b.r.Appointments); err != nil {
		return nil, err
	}
	if err := b.store.Cover(ctx); err != nil {
		return nil, err
	}
	return b.r, b.steps(ctx)
}

func (b *bencher) steps(ctx context.Context) error {
	for _, c := range choices {
		b.say("selecting with %s …", c.Name)
		mib, err := c.install(ctx, b.admin)
		if err != nil {
			return err
		}
		// The catalog has changed. Read it again now, because that is not a part of
		// selecting.
		if err := b.store.Cover(ctx); err != nil {
			return err
		}
		took, _, err := b.selections(ctx, b.plan.selections)
		if err != nil {
			return err
		}
		b.r.Indexes = append(b.r.Indexes, indexFigures{Name: c.Name, MiB: mib, SelectMS: figures.Spread(took)})
	}
	b.say("bookings alone for %s, then while selecting …", b.idle)
	idle, err := b.live.during(ctx, func() error { return pause(ctx, b.idle) })
	if err != nil {
		return err
	}
	b.r.BookingIdleMS = figures.Spread(idle)
	figures.ForgetPeak()
	b.r.MemoryBeforeMiB, _ = figures.Resident(os.Getpid())
	var took []time.Duration
	var made []jobs.Selection
	busy, err := b.live.during(ctx, func() (err error) {
		took, made, err = b.selections(ctx, b.plan.selections)
		return err
	})
	if err != nil {
		return err
	}
	b.r.SelectMS, b.r.BookingSelectingMS = figures.Spread(took), figures.Spread(busy)
	_, b.r.MemorySelectedMiB = figures.Resident(os.Getpid())
	return b.preview(ctx, made)
}

// selections makes n selections, one after the other. All must have the same number
// of clients: bookings are made for others, and nothing is erased.
func (b *bencher) selections(ctx context.Context, n int) (took []time.Duration, made []jobs.Selection, err error) {
	for range n {
		start := time.Now()
		sel, err := b.store.Select(ctx, jobs.SelectionRequest{TenantID: tenant, Period: "P1Y", CreatedBy: "bench"})
		if err != nil {
			return nil, nil, err
		}
		took, made = append(took, time.Since(start)), append(made, sel)
		if b.r.Selected == 0 {
			b.r.Selected, b.r.Candidates = sel.Total, candidates(sel)
		}
		if sel.Total != b.r.Selected || candidates(sel) != b.r.Candidates {
			return nil, nil, fmt.Errorf("%d of %d candidates selected, and %d of %d before",
				sel.Total, candidates(sel), b.r.Selected, b.r.Candidates)
		}
	}
	return took, made, nil
}

// candidates is how many clients the preview of a selection lists.
func candidates(sel jobs.Selection) int {
	n := sel.Total + sel.Excluded
	for _, held := range sel.Blocked {
		n += held
	}
	return n
}

// preview reads pages of the selections, unticks clients, reads pages again, and
// confirms.
func (b *bencher) preview(ctx context.Context, made []jobs.Selection) error {
	b.say("reading pages, unticking %d, confirming …", b.untick)
	if _, err := b.pages(ctx, made[0].ID, 2); err != nil { // fill caches before measuring
		return err
	}
	var err error
	if b.r.Pages, err = b.pages(ctx, made[0].ID, b.plan.pages); err != nil {
		return err
	}
	var unticked, accepted []time.Duration
	for i, sel := range made {
		var keys []string
		page := jobs.Page{Limit: b.pageSize, Cursor: strconv.Itoa(b.r.Candidates / 3)}
		for len(keys) < b.untick {
			l, err := b.store.Candidates(ctx, jobs.CandidateFilter{TenantID: tenant, SelectionID: sel.ID, Page: page})
			if err != nil {
				return err
			}
			for _, c := range l.Items {
				if c.Included && len(keys) < b.untick {
					keys = append(keys, c.ClientID)
				}
			}
			if page.Cursor = l.Next; l.Next == "" && len(keys) < b.untick {
				return fmt.Errorf("only %d of %d clients found to untick", len(keys), b.untick)
			}
		}
		start := time.Now()
		sel, err := b.store.Tick(ctx, tenant, sel.ID, jobs.Ticks{Exclude: keys})
		if err != nil {
			return err
		}
		unticked = append(unticked, time.Since(start))
		if want := b.r.Selected - b.untick; sel.Total != want {
			return fmt.Errorf("%d selected after unticking, want %d", sel.Total, want)
		}
		if i == 0 {
			if b.r.PagesUnticked, err = b.pages(ctx, sel.ID, b.plan.pages); err != nil {
				return err
			}
			figures.ForgetPeak()
		}
		start = time.Now()
		j, _, err := b.store.AcceptErasure(ctx, jobs.ErasureRequest{TenantID: tenant, SelectionID: sel.ID, ExpectedCount: sel.Total,
			Reason: jobs.Inactivity, CreatedBy: "bench"}, jobs.IdempotencyKey{Key: sel.ID, Caller: "bench"})
		if err != nil {
			return err
		}
		accepted = append(accepted, time.Since(start))
		b.r.Accepted = j.Requested
	}
	b.r.UntickMS, b.r.AcceptMS = figures.Spread(unticked), figures.Spread(accepted)
	_, b.r.MemoryAcceptedMiB = figures.Resident(os.Getpid())
	return nil
}

// pages reads full pages at the beginning, in the middle and at the end. It
// alternates between them, so that noise affects all three equally.
func (b *bencher) pages(ctx context.Context, id string, n int) ([]pageFigures, error) {
	at := []pageFigures{
		{Where: "beginning", From: 0},
		{Where: "middle", From: b.r.Candidates / 2},
		{Where: "end", From: b.r.Candidates - b.pageSize},
	}
	took := make([][]time.Duration, len(at))
	for range n {
		for i, p := range at {
			start := time.Now()
			l, err := b.store.Candidates(ctx, jobs.CandidateFilter{TenantID: tenant, SelectionID: id,
				Page: jobs.Page{Limit: b.pageSize, Cursor: strconv.Itoa(p.From)}})
			if err != nil {
				return nil, err
			}
			took[i] = append(took[i], time.Since(start))
			if len(l.Items) != b.pageSize || (l.Next == "") != (p.Where == "end") {
				return nil, fmt.Errorf("page at the %s: %d clients, next %q", p.Where, len(l.Items), l.Next)
			}
		}
	}
	for i := range at {
		at[i].MS = figures.Spread(took[i])
	}
	return at, nil
}

func (b *bencher) say(format string, args ...any) { fmt.Fprintf(b.log, format+"\n", args...) }

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
