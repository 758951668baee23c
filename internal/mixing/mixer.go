package mixing

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// Options is what a Mixer needs. All fields are required.
type Options struct {
	DB          pgsession.DB
	Plan        func(context.Context) (*plan.Plan, error) // that fits the live schema
	Clients     int                                       // least number of former clients whose rows one transaction writes again
	Pause       time.Duration                             // between rounds
	LockTimeout time.Duration                             // longest wait for one lock
	Failpoint   func(name string)                         // called where a crash is most dangerous; for tests
}

// Mixer writes rows again that small transactions left.
type Mixer struct{ o Options }

// New returns a Mixer of this database.
func New(o Options) *Mixer { return &Mixer{o: o} }

// MixRows writes rows that small transactions left once more, so that system columns
// do not show which rows were of one former client: one
// transaction writes rows of at least MixClients clients who share profiles, in
// random order. Until there are as many the rows wait. Those of the last mixture
// are written again with new ones, so that later clients need not wait.
//
// One worker at a time does it, a round after the other, with pauses. A round
// reads the tables of the map once, because nothing but xmin says which rows it is
// about: to record them would string them together.
func (m *Mixer) MixRows(ctx context.Context) error {
	r := round{Options: m.o, refused: map[string]string{}}
	err := m.o.DB.QueryRow(ctx, claimMixingSQL, lease).Scan(&r.attempt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return pgfault.Wrap("claim the mixing of rows", err)
	}
	began := time.Now()
	err = r.run(ctx)
	if errors.Is(err, jobs.ErrFenced) {
		return nil
	}
	return errors.Join(err, r.end(ctx, time.Since(began)))
}
