package limit

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestABucketEmptiesForItsOwnerAloneAndFillsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(2, 4)
		for i := range 4 {
			if wait := l.Take("a", 1); wait != 0 {
				t.Fatalf("unit %d: wait %s", i, wait)
			}
		}
		for range 3 { // being refused costs nothing
			if wait := l.Take("a", 1); wait != 500*time.Millisecond {
				t.Errorf("of an empty bucket: wait %s", wait)
			}
		}
		if wait := l.Take("b", 4); wait != 0 {
			t.Errorf("somebody else waits %s", wait)
		}
		if wait := l.Take("c", 5); wait != 2*time.Second {
			t.Errorf("more than a bucket holds: wait %s", wait)
		}
		if wait := l.Left("a"); wait != 500*time.Millisecond {
			t.Errorf("left of an empty bucket: wait %s", wait)
		}
		time.Sleep(500 * time.Millisecond)
		if left, take, again := l.Left("a"), l.Take("a", 1), l.Left("a"); left != 0 || take != 0 || again == 0 {
			t.Errorf("after half a second: left %s, take %s, left %s", left, take, again)
		}
		time.Sleep(time.Hour)
		if first, second := l.Take("a", 4), l.Take("a", 1); first != 0 || second == 0 {
			t.Errorf("after an hour a bucket holds more than a burst: %s, %s", first, second)
		}
	})
}

func TestMemoryDoesNotGrowWithTheNumberOfCallers(t *testing.T) {
	t.Parallel()
	l := New(1, 1)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 4 * maxRecent {
				l.Take(fmt.Sprint(worker, " ", i), 1)
				l.Take("regular", 1)
			}
		})
	}
	all.Wait()
	if n := len(l.recent) + len(l.older); n > 2*maxRecent {
		t.Errorf("%d callers are remembered", n)
	}
	if l.Left("regular") == 0 {
		t.Error("a caller who comes all the time was forgotten")
	}
}

func TestNoLimiterRefusesNobody(t *testing.T) {
	t.Parallel()
	var l *Limiter
	if l.Take("a", 1_000_000) != 0 || l.Left("a") != 0 {
		t.Error("a nil limiter makes callers wait")
	}
}

func TestPeersAreNamedByWhatOneOfThemHas(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.7:4711":           "192.0.2.7",
		"[::ffff:192.0.2.7]:1":     "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:2": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":         "fe80::/64",
		"pipe":                     "unknown",
		"":                         "unknown",
	} {
		if got := Address(remote); got != want {
			t.Errorf("%q: got %s, want %s", remote, got, want)
		}
	}
}
