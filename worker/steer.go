package worker

import (
	"sync"
	"time"
)

// steer chooses chunk sizes so that a transaction takes about as long as the
// target: down fast, because live traffic waits, and up slowly.
type steer struct {
	mu     sync.Mutex
	size   float64
	target time.Duration
	max    int
}

// firstChunk is small enough not to hurt on any schema.
const firstChunk = 50

func newSteer(target time.Duration, most int) *steer {
	return &steer{size: min(firstChunk, float64(most)), target: target, max: most}
}

// next is the number of clients for the next chunk.
func (s *steer) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.size)
}

// learn takes in how long a chunk of n clients took.
func (s *steer) learn(n int, elapsed time.Duration) {
	if n == 0 || elapsed <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := float64(n) * float64(s.target) / float64(elapsed)
	switch {
	case elapsed > s.target:
		s.size = max(min(wanted, s.size), s.size/2)
	case n >= int(s.size): // a smaller chunk, which costs a round trip too, says little about bigger ones
		s.size = min(wanted, s.size*1.3+1)
	}
	s.size = min(max(s.size, 1), float64(s.max))
}

// yield makes the next chunk a little smaller, because others waited for this
// one.
func (s *steer) yield() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = max(s.size*0.7, 1)
}

// shrink halves the size, after trouble over locks.
func (s *steer) shrink() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = max(s.size/2, 1)
}
