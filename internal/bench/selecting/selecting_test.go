package main

import (
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bench/figures"
	"github.com/oubli/oubli/internal/testdb"
)

func TestTheBenchmarkMeasuresEveryStepAndItsCountsAreThoseOfTheDatabase(t *testing.T) {
	t.Parallel()
	const clients = 2000
	db := testdb.New(t)
	url := testdb.URL(t, db)
	if err := prepare(t.Context(), url, clients, t.Output()); err != nil {
		t.Fatal(err)
	}
	small := plan{selections: 2, pages: 2, pageSize: 10, untick: 30, idle: 50 * time.Millisecond}
	b := bencher{url: url, clients: clients, plan: small, log: t.Output()}
	r, err := b.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var inactive, keys, booked int
	err = db.QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM clients AS c WHERE created_at < now() - interval '1 year'
		    AND NOT EXISTS (SELECT FROM appointments WHERE client_id = c.id AND starts_at >= now() - interval '1 year')),
		  (SELECT sum(cardinality(keys)) FROM oubli.tasks),
		  (SELECT count(*) FROM appointments WHERE client_name = 'Bench')`).Scan(&inactive, &keys, &booked)
	if err != nil {
		t.Fatal(err)
	}
	if r.Candidates != inactive || r.Candidates == 0 {
		t.Errorf("%d candidates, and %d clients are inactive", r.Candidates, inactive)
	}
	if r.Accepted != r.Selected-small.untick || keys != small.selections*r.Accepted {
		t.Errorf("%d of %d accepted after unticking %d; the tasks of %d jobs hold %d",
			r.Accepted, r.Selected, small.untick, small.selections, keys)
	}
	if n := r.BookingIdleMS.N + r.BookingSelectingMS.N; booked != n || n == 0 {
		t.Errorf("%d bookings measured, %d in the database", n, booked)
	}
	for name, f := range map[string]figures.Figures{
		"select":         r.SelectMS,
		"untick":         r.UntickMS,
		"accept":         r.AcceptMS,
		"page":           r.Pages[2].MS,
		"page, unticked": r.PagesUnticked[2].MS,
	} {
		if f.N != 2 || f.Min <= 0 || f.Median > f.Max {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if len(r.Indexes) != len(choices) {
		t.Errorf("%d choices of index measured, want %d", len(r.Indexes), len(choices))
	}
	if err := r.print(t.Output()); err != nil {
		t.Error(err)
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-clients", "10"}, {"-clients", "many"}, {"more"}} {
		if code := run(t.Context(), args, t.Output(), t.Output()); code != 2 {
			t.Errorf("%q: exit code %d, want 2", args, code)
		}
	}
}
