package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// Over HTTP, with the rights that oubli grants prints: an erasure that retains
// columns, the report of them, and the sweep after their period.
func TestRetainedDataIsReportedAndIsClearedWhenItsPeriodEnds(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	worker := s.start(t, onlyWorker, app.Tuning{})
	api := s.start(t, onlyAPI, app.Tuning{})
	c := admin(t, api, "1")
	ids := s.plain(t, 1, 12)
	s.Exec(t, "UPDATE invoices SET issued_on = '2020-02-29' WHERE client_id = ANY($1::text[]::bigint[])", ids)
	invoices := s.Int(t, "SELECT count(*) FROM invoices WHERE client_id = ANY($1::text[]::bigint[])", ids)
	s.countAgain(t)
	if invoices == 0 {
		t.Fatal("nobody of them has an invoice")
	}
	job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: ids}).ID, "the end", mailed)
	if job.Counts.ErasedRetained == 0 || job.RetainedUntil == nil || job.RetainedUntil.String() != "2030-12-31" {
		t.Fatalf("%+v", job)
	}
	for e, err := range c.Exceptions(t.Context(), job.ID, jobs.ErasedRetained) {
		if err != nil || e.RetainedUntil == nil || e.RetainedUntil.String() != "2030-12-31" {
			t.Errorf("%+v, %v", e, err)
		}
	}
	mails, err := s.inbox.Wait(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if text := parts(t, mails[0])["text/plain"]; !strings.Contains(text, "2030") {
		t.Errorf("the mail does not say until when something is kept:\n%s", text)
	}

	// A worker sweeps and counts when it starts. The first worker may have done so
	// while it erased.
	if err := worker.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, "TRUNCATE oubli.retention_sweeps, oubli.retained")
	s.start(t, onlyWorker, app.Tuning{})
	viewer := apiclient.New("http://"+api.APIAddr, mustMint(t, "1", jobs.Viewer))
	var r jobs.Retention
	bookingdb.Wait(t, "the day's sweep", func() bool {
		if r, err = viewer.Retention(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		return len(r.Sweeps) == 1 && r.Sweeps[0].State == jobs.SweepFinished
	})
	if len(r.Kept) != 1 || r.Kept[0].Rule != "invoice" || r.Kept[0].Table != "invoices" || r.Kept[0].Rows != int64(invoices) ||
		!slices.Equal(r.Kept[0].Years, []jobs.KeptYear{{Year: 2030, Rows: int64(invoices)}}) {
		t.Errorf("%+v, want %d rows until 2030", r.Kept, invoices)
	}
	if other, err := admin(t, api, "2").Retention(t.Context(), ""); err != nil || len(other.Kept) != 0 {
		t.Errorf("another tenant sees %+v, %v", other, err)
	}
	reader := apiclient.New("http://"+api.APIAddr, mustMint(t, jobs.AnyTenant, jobs.Viewer))
	if service, err := reader.Retention(t.Context(), "1"); err != nil || len(service.Kept) != 1 {
		t.Errorf("a service sees %+v, %v", service, err)
	}
	_, metrics := readPage(t, api, "/metrics")
	expectMetrics(t, metrics, `oubli_retention_due_rows{table="invoices"} 0`, `oubli_retention_overdue_rows{table="invoices"} 0`)

	// Another store has a clock that is years ahead.
	m, err := erasuremap.Load(s.mapFile)
	if err != nil {
		t.Fatal(err)
	}
	var now time.Time
	store, err := repository.Open(t.Context(), repository.Options{URL: s.URL, Map: m, MaxConns: 2, Today: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	later := func(day string) {
		t.Helper()
		now, err = time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		swept, err := store.SweepRetained(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range swept {
			if len(table.Refused) > 0 {
				t.Fatalf("the database refuses to clear rows of %s: %v", table.Table, table.Refused)
			}
		}
	}
	later("2030-12-31")
	s.NoTraces(t, ids)
	if n := s.Int(t, `SELECT count(*) FROM invoices
		WHERE issued_on = '2020-02-29' AND client_id IN (SELECT id FROM clients WHERE is_anonymous)
		  AND billing_name <> 'Client inconnu'`); n != invoices {
		t.Errorf("on the last day %d of %d invoices say to whom they were made out", n, invoices)
	}
	later("2031-01-01")
	s.NoTracesAtAll(t, ids)
	s.SameTotals(t)
	r, err = viewer.Retention(t.Context(), "")
	if err != nil || r.Kept[0].Rows != 0 || r.Kept[0].Cleared != int64(invoices) ||
		r.Sweeps[0].Rows != int64(invoices) || r.Sweeps[0].Day.String() != "2031-01-01" {
		t.Errorf("afterwards %+v, %v", r, err)
	}
}
