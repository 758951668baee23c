package worker

import (
	"testing"
	"time"
)

const target = 100 * time.Millisecond

func TestChunksGrowSlowlyToTheTarget(t *testing.T) {
	t.Parallel()
	s := newSizeController(target, 1000)
	sizes := []int{s.next()}
	for range 30 {
		n, size := s.next(), s.size
		s.learn(n, time.Duration(n)*500*time.Microsecond) // 200 take as long as the target
		if s.size > size*1.3+1 {
			t.Fatalf("from %f to %f in one step", size, s.size)
		}
		sizes = append(sizes, s.next())
	}
	if last := sizes[len(sizes)-1]; sizes[0] != firstChunk || last < 195 || last > 200 {
		t.Errorf("sizes %v, want from %d to 200", sizes, firstChunk)
	}
}

func TestAChunkThatOutlastsTheTargetShrinksTheNextAtMostByHalf(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]int{
		2 * target:      100,
		target * 10 / 9: 180,
		time.Hour:       100,
		target:          200,
	} {
		s := newSizeController(target, 1000)
		s.size = 200
		s.learn(200, took)
		if got := s.next(); got != want {
			t.Errorf("after %s: %d, want %d", took, got, want)
		}
	}
}

// The round trips dominate the time of a chunk of a few clients, so its time per
// client says nothing about larger chunks.
func TestASmallChunkDoesNotShrinkTheNext(t *testing.T) {
	t.Parallel()
	s := newSizeController(target, 1000)
	s.size = 400
	for range 50 {
		s.learn(1, 8*time.Millisecond)
	}
	if s.next() != 400 {
		t.Errorf("single clients led to %d", s.next())
	}
	if s.learn(3, 2*target); s.next() != 200 {
		t.Errorf("three clients that took twice the target led to %d, want half of 400", s.next())
	}
}

func TestSizesStayWithinTheirBounds(t *testing.T) {
	t.Parallel()
	s := newSizeController(target, 70)
	for range 100 {
		s.learn(s.next(), time.Nanosecond)
	}
	if s.next() != 70 {
		t.Errorf("grown to %d, want 70 at most", s.next())
	}
	for range 100 {
		s.halve()
		s.learn(s.next(), time.Hour)
	}
	if s.next() != 1 {
		t.Errorf("shrunk to %d, want 1", s.next())
	}
	s.learn(0, time.Second)
	s.learn(1, 0)
	if s.next() != 1 {
		t.Errorf("after an empty chunk the size is %d", s.next())
	}
	if n := newSizeController(target, 10).next(); n != 10 {
		t.Errorf("the first chunk is %d, want 10 at most", n)
	}
}

func TestAChunkThatOthersWaitedForMakesTheNextALittleSmaller(t *testing.T) {
	t.Parallel()
	s := newSizeController(target, 1000)
	s.size = 200
	s.reduce()
	if got := s.next(); got != 140 {
		t.Errorf("after a chunk of 200 for which a session waited: %d, want 140", got)
	}
	s.size = 1
	s.reduce()
	if got := s.next(); got != 1 {
		t.Errorf("after a chunk of 1 for which a session waited: %d, want 1", got)
	}
}
