package app

import (
	"time"

	"github.com/oubli/oubli/repository"
	"github.com/oubli/oubli/worker"
)

// Tuning is what tests and the processes of the fault driver change, to see in
// seconds what otherwise takes minutes or luck. Its zero fields stand for the
// defaults of the parts that they tune. No setting leads here: outside of tests
// the command line fills it in under the build tag chaos only.
type Tuning struct {
	Lease     time.Duration     // see repository.Options
	MailLease time.Duration     // see repository.Options
	Failpoint func(name string) // see repository.Options
	Pause     time.Duration     // see repository.Options
	MailRetry time.Duration     // see worker.Options

	Store      func(*repository.Store) // called once it is open
	Dispatcher func(*worker.DispatcherOptions)
	Worker     func(*worker.Options)
}
