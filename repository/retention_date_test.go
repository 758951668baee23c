package repository_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oubli/oubli/repository"
)

// clock is a day that a test moves.
type clock struct{ now atomic.Pointer[time.Time] }

func (c *clock) use(o *repository.Options) { o.Today = func() time.Time { return *c.now.Load() } }

// set makes it noon of a day.
func (c *clock) set(t *testing.T, day string) {
	t.Helper()
	noon := dayOf(t, day).Add(12 * time.Hour)
	c.now.Store(&noon)
}

// sweepOn sweeps on a day, which must be without errors.
func (s *shape) sweepOn(t *testing.T, c *clock, day string) {
	t.Helper()
	c.set(t, day)
	if _, err := s.store.SweepRetained(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The date from which a period counts may be made coarser, if only when the period
// ends: TestAMapAndACatalogGiveTheseStatementsOrTheseGaps shows that it is a gap
// otherwise.
func TestTheDateOfAPeriodIsKeptUntilThePeriodEnds(t *testing.T) {
	t.Parallel()
	for rule, after := range map[string]string{"{truncate: year}": "2021-01-01", "null": "-"} {
		var c clock
		c.set(t, "2026-12-01")
		yaml := strings.Replace(fmt.Sprintf(invoicesMap, ""), "columns: {billing: null}", "columns: {billing: null, issued_on: "+rule+"}", 1)
		s := newShape(t, yaml, fmt.Sprintf(invoicesSQL, "NOT NULL REFERENCES clients"), c.use)
		j := s.eraseAll(t, "1", "1")
		if j.RetainedUntil == nil {
			t.Fatalf("%s: nothing is retained", rule)
		}
		s.sweepOn(t, &c, j.RetainedUntil.String())
		s.is(t, "SELECT issued_on, billing FROM invoices", "2021-12-31 Marie, 1 Road")
		s.sweepOn(t, &c, j.RetainedUntil.AddDate(0, 0, 2).Format(time.DateOnly)) // the day has begun in every time zone
		s.is(t, "SELECT issued_on, billing FROM invoices", after+" -")
		s.sweepOn(t, &c, j.RetainedUntil.AddDate(0, 0, 3).Format(time.DateOnly))
		if k := retention(t, s.store, "1").Kept[0]; k.Rows != 0 || k.Cleared != 1 {
			t.Errorf("%s: %+v", rule, k)
		}
	}
}
