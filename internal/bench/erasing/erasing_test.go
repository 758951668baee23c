package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/oubli/oubli/internal/cli"
)

// With asOubli in its environment, the test binary is the oubli that the benchmark
// measures.
func TestMain(m *testing.M) {
	if os.Getenv(asOubli) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		code := cli.Run(ctx, os.Args[1:], withoutKey(os.Environ()), os.Stdin, os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

const asOubli = "BENCH_AS_OUBLI"

func withoutKey(environ []string) (rest []string) {
	for _, e := range environ {
		if !strings.HasPrefix(e, asOubli+"=") {
			rest = append(rest, e)
		}
	}
	return rest
}

// programOfThisTest is oubli, run from this test's own binary.
func programOfThisTest(t *testing.T) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := openProgram(t.Context(), self, asOubli+"=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.close() })
	return p
}

func TestEveryContenderErasesAndOubliHasTheSameEffectAsTheHandWrittenTransaction(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a durable server and copies databases")
	}
	t.Parallel()
	p := programOfThisTest(t)
	some := regexp.MustCompile(`^(one transaction by hand|oubli, 2 slots|ON DELETE CASCADE|` +
		`loop over clients, 1 ms away|oubli, 2 slots, beside bookings)$`)
	s := size{clients: minClients, erase: 100, runs: 1, only: some}
	l, err := openLab(t.Context(), s, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.close() })
	file := filepath.Join(t.TempDir(), "bench.json")
	r, err := l.measure(t.Context(), p, contenders(p, s), keeper{json: file}.write)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Results) != 7 || len(r.Medians) != 7 {
		t.Fatalf("%d results of 7", len(r.Results))
	}
	for _, x := range r.Results {
		ours := strings.HasPrefix(x.Name, "oubli")
		if x.Clients == 0 || x.Rows < int64(10*x.Clients) || x.PerSecond <= 0 || x.WALBytes < 1000 || x.LongestMS <= 0 {
			t.Errorf("%s: %+v", x.Name, x)
		}
		if ours && x.Beside == nil && (x.Effect == "" || x.Ratio <= 0) {
			t.Errorf("%s, %s was not compared with the hand-written transaction: %+v", x.Name, x.ClientSet, x)
		}
		if ours && (x.ChunkMS == nil || x.ChunkMS.N == 0 || x.AcceptMS <= 0) {
			t.Errorf("%s has no chunks: %+v", x.Name, x)
		}
		if x.Beside != nil && (x.Beside.IdleMS.N == 0 || x.Beside.DuringMS.N == 0) {
			t.Errorf("no bookings were measured during %s: %+v", x.Name, x.Beside)
		}
	}
	var read report
	if data, err := os.ReadFile(file); err != nil || json.Unmarshal(data, &read) != nil || len(read.Results) != 7 {
		t.Errorf("the file of figures: %v", err)
	}
	chart := xml.NewDecoder(strings.NewReader(r.chart()))
	for {
		if _, err := chart.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the chart is not XML: %v", err)
		}
	}
	if err := r.print(t.Output()); err != nil {
		t.Error(err)
	}
}

func TestErasuresOfOneClientEachAreMeasuredFromThePostToTheMail(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a durable server and copies databases")
	}
	t.Parallel()
	p := programOfThisTest(t)
	some := regexp.MustCompile(`^(loop over clients|oubli, one at a time|asynq, empty tasks)$`)
	s := size{clients: minClients, erase: 100, runs: 1, single: true, only: some}
	l, err := openLab(t.Context(), s, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.close() })
	r, err := l.measure(t.Context(), p, contenders(p, s), keeper{}.write)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Results) != 3 {
		t.Fatalf("%d results of 3", len(r.Results))
	}
	flood := r.Results[1]
	x := flood.Single
	if flood.Clients != 100 || x == nil || x.PostMS.N != 100 || x.FinishedMS.N != 100 || x.FinishedMS.Min < x.PostMS.Min/2 ||
		x.Mails <= 0 || x.Accepted <= x.Finished || x.WALBytes < 1000 {
		t.Errorf("%+v, %+v", flood, x)
	}
	if err := r.print(t.Output()); err != nil {
		t.Error(err)
	}
}

func TestADifferenceOfOneRowIsFound(t *testing.T) {
	t.Parallel()
	a := contents{"clients": {0: {3, "17"}, 4: {1, "5"}}, "invoices": {0: {2, "9"}}}
	same := contents{"clients": {0: {3, "17"}, 4: {1, "5"}}, "invoices": {0: {2, "9"}}}
	if err := compare(a, same); err != nil {
		t.Error(err)
	}
	for what, b := range map[string]contents{
		"another value": {"clients": {0: {3, "18"}, 4: {1, "5"}}, "invoices": {0: {2, "9"}}},
		"a row less":    {"clients": {0: {3, "17"}}, "invoices": {0: {2, "9"}}},
		"a row more":    {"clients": {0: {3, "17"}, 4: {1, "5"}, 5: {1, "1"}}, "invoices": {0: {2, "9"}}},
		"a table less":  {"clients": {0: {3, "17"}, 4: {1, "5"}}},
	} {
		if compare(a, b) == nil {
			t.Errorf("%s was not found", what)
		}
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-clients", "10"}, {"-clients", "10000", "-erase", "5000"}, {"-only", "("}, {"-runs", "0"}, {"more"}} {
		if code := run(t.Context(), args, t.Output(), t.Output()); code != 2 {
			t.Errorf("%q: exit code %d, want 2", args, code)
		}
	}
}
