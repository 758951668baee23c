package worker

import (
	"sync"
	"time"
)

// sizeController chooses chunk sizes so that a transaction takes about as long
// as the target. Sizes shrink fast, because live traffic waits for the chunk's
// locks, and grow slowly.
type sizeController struct {
	mu     sync.Mutex
	size   float64
	target time.Duration
	max    int
}

// firstChunk is the first size. It is small enough for any schema.
const firstChunk = 50

func newSizeController(target time.Duration, most int) *sizeController {
	return &sizeController{size: min(firstChunk, float64(most)), target: target, max: most}
}

// next returns the number of clients for the next chunk.
func (c *sizeController) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.size)
}

// learn adapts the size to how long a chunk of n clients took.
func (c *sizeController) learn(n int, elapsed time.Duration) {
	if n == 0 || elapsed <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := float64(n) * float64(c.target) / float64(elapsed)
	switch {
	case elapsed > c.target:
		c.size = max(min(wanted, c.size), c.size/2)
	case n >= int(c.size): // the round trips dominate the time of a smaller chunk, so it says little about bigger ones
		c.size = min(wanted, c.size*1.3+1)
	}
	c.size = min(max(c.size, 1), float64(c.max))
}

// reduce makes the next chunk a little smaller, after other sessions waited for
// this one.
func (c *sizeController) reduce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size = max(c.size*0.7, 1)
}

// halve halves the size, after a chunk failed because of locks or time.
func (c *sizeController) halve() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size = max(c.size/2, 1)
}
