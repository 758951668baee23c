package figures

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/golden"
)

// measured is what docs/performance.md says of one client. To compute the table for
// another database, write its figures here and run
//
//	go test ./internal/bench/figures -run Scaling -update
var measured = Cost{PerSecond: 2800, Rows: 21, WAL: 33 << 10, WorkerCPU: 0.03, Kept: 200, Batch: 1000}

var loads = []Load{{1e4, 1}, {1e5, 1}, {1e6, 1}, {1e7, 1}, {1e7, 10}, {1e7, 100}, {1e9, 100}, {1e9, 1000}, {1e9, 10_000}}

const scaling = "../../../docs/scaling.md"

func TestTheTableOfScalingIsComputedFromTheMeasuredCost(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(scaling)
	if err != nil {
		t.Fatal(err)
	}
	const head = "| clients | databases |"
	from := strings.Index(string(page), head)
	if from < 0 {
		t.Fatal("docs/scaling.md has no table of loads")
	}
	to := from + strings.Index(string(page[from:])+"\n\n", "\n\n") + 1
	want := measured.Table(loads)
	to = min(to, len(page))
	golden.Part(t, scaling, string(page[from:to]), want, string(page[:from])+want+string(page[to:]))
}

// near allows for rounding errors.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Abs(b) }

func TestTenTimesTheClientsTakeTenTimesAsLongOrTenTimesTheDatabases(t *testing.T) {
	t.Parallel()
	one := measured.Of(Load{1e6, 1})
	if one.Time != time.Duration(1e6/measured.PerSecond*float64(time.Second)) || one.Slots != 2 {
		t.Errorf("%+v", one)
	}
	more := measured.Of(Load{1e7, 1})
	if more.Time.Round(time.Second) != (10*one.Time).Round(time.Second) ||
		more.WALEach != 10*one.WALEach || more.Cores != one.Cores {
		t.Errorf("ten times the clients: %+v, one: %+v", more, one)
	}
	more = measured.Of(Load{1e7, 10})
	if more.Time != one.Time || more.WALEach != one.WALEach ||
		!near(more.Cores, 10*one.Cores) || !near(more.Hints, 10*one.Hints) {
		t.Errorf("ten times the databases: %+v, one: %+v", more, one)
	}
}
