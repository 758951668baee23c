package figures

import (
	"os"
	"testing"
	"time"
)

func TestFiguresAreTakenByNearestRank(t *testing.T) {
	t.Parallel()
	var took []time.Duration
	for i := range 200 {
		took = append(took, time.Duration(200-i)*time.Millisecond)
	}
	if got, want := Spread(took), (Figures{N: 200, Min: 1, Median: 100, P99: 198, Max: 200}); got != want {
		t.Errorf("1 to 200 ms: %+v, want %+v", got, want)
	}
	if got, want := Spread(took[:1]), (Figures{N: 1, Min: 200, Median: 200, P99: 200, Max: 200}); got != want {
		t.Errorf("one of 200 ms: %+v, want %+v", got, want)
	}
}

func TestMemoryIsReadForTheGivenProcess(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("no /proc here")
	}
	if now, peak := Resident(os.Getpid()); now <= 0 || peak < now/2 {
		t.Errorf("this process has %f MiB, and at its peak %f", now, peak)
	}
	if now, peak := Resident(1 << 30); now != 0 || peak != 0 {
		t.Errorf("a process that does not exist has %f MiB, and at its peak %f", now, peak)
	}
}
