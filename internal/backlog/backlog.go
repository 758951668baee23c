package backlog

import (
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/jobs"
)

// Backlog finds the tasks that are due. Its methods may be called by several
// goroutines.
type Backlog struct {
	o    Options
	walk cursors // where the next round begins
}

// Options is what a Backlog needs. All fields are required.
type Options struct {
	DB     pgsession.DB
	Window int // hints of one queue that wait in Redis at most
	Lanes  int // batches of one profile owner that may run side by side
	// SharedOwner is the profile owner of all tenants, when they share profiles and
	// therefore lanes; nil when each tenant has its own.
	SharedOwner func() *string
	Failpoint   func(name string) // called where a crash is most dangerous; for tests
}

// New returns the backlog of this database.
func New(o Options) *Backlog {
	return &Backlog{o: o, walk: cursors{after: map[jobs.Queue]*string{}}}
}
