//go:build unix

package chaos

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/chaos/wire"
	"github.com/oubli/oubli/jobs"
)

// seed of the run in every test; make chaos uses other seeds.
const seed = 20261122

// openTestLab starts the servers for a test, with leases that run out soon.
func openTestLab(t *testing.T, o Options) *lab {
	t.Helper()
	if testing.Short() {
		t.Skip("takes a minute, and a process of its own that the race detector does not see")
	}
	o.Seed, o.Lease, o.MailLease, o.Log = seed, 2*time.Second, 5*time.Second, t.Output()
	l, err := openLab(t.Context(), o.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestNothingIsLostAndNothingHappensTwiceWhicheverFaultsHappen(t *testing.T) {
	l := openTestLab(t, Options{
		Clients: 3000,
		Round:   70 * time.Second,
		Pause:   100 * time.Millisecond,
		Outage:  600 * time.Millisecond,
		Overlap: 2,
	})
	f := &Figures{Seed: seed}
	if err := l.round(t.Context(), f); err != nil {
		t.Error(err)
	}
	f.Write(t.Output())
	if len(f.Violations) > 0 || f.Lost > 0 || f.Doubled > 0 {
		t.Errorf("promises were broken:\n%s", strings.Join(f.Violations, "\n"))
	}
	// A run without faults would show nothing.
	if n := f.Faults(); n < 15 || f.Jobs < 10 || f.Erased < 100 || f.Mails < 10 {
		t.Errorf("only %d of %d faults, %d jobs, %d clients erased, %d mails", n, len(Kinds()), f.Jobs, f.Erased, f.Mails)
	}
}

// control is a sequence of events that does no harm, except when one protection is
// switched off.
type control struct {
	name    string
	without func(*wire.Tuning)
	story   func(t *testing.T, r *round)
	finds   []string // of these the driver must report one in this case
}

func TestTheDriverNoticesWhenAProtectionIsSwitchedOff(t *testing.T) {
	l := openTestLab(t, Options{Clients: 1600, Workers: 2})
	for _, c := range []control{
		{"the fence", func(t *wire.Tuning) { t.Unfenced = true }, wakeAfterTakeover,
			[]string{"is gone, and no job says so", "are stuck"}},
		{"the reconciler", func(t *wire.Tuning) { t.Unwatched = true }, loseHintsThatWait, []string{"are stuck"}},
		{"the record of a mail", func(t *wire.Tuning) { t.Unmarked = true }, sendOneMail, []string{"came again"}},
	} {
		for name, without := range map[string]func(*wire.Tuning){"with": nil, "without": c.without} {
			t.Run(name+" "+c.name, func(t *testing.T) {
				r, err := l.openRound(t.Context(), seed, &Figures{}, func(_ string, tune *wire.Tuning) {
					if without != nil {
						without(tune)
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := r.close(); err != nil {
						t.Error(err)
					}
				}()
				c.story(t, r)
				found := strings.Join(r.violations, "\n")
				if without == nil && found != "" {
					t.Errorf("with %s in its place: %s", c.name, found)
				}
				reports := func(kind string) bool { return strings.Contains(found, kind) }
				if without != nil && !slices.ContainsFunc(c.finds, reports) {
					r.writeLogs()
					t.Errorf("without %s the driver finds nothing of the kinds %q: %q", c.name, c.finds, found)
				}
			})
		}
	}
}

// erase requests n clients of a studio in one batch. Nothing of them is retained:
// otherwise an exception written twice would already reveal the second worker.
func (r *round) erase(t *testing.T, n int) *order {
	t.Helper()
	rows, err := r.pool.Query(t.Context(), `
		SELECT id::text FROM clients AS c WHERE studio_id = 1 AND NOT is_anonymous AND NOT legal_hold AND balance_cents = 0
		  AND NOT EXISTS (SELECT FROM appointments WHERE client_id = c.id AND starts_at > now())
		  AND NOT EXISTS (SELECT FROM invoices WHERE client_id = c.id) ORDER BY id LIMIT $1`, n)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(keys) < n {
		t.Fatalf("found %d plain clients, want %d: %v", len(keys), n, err)
	}
	o := &order{tenant: "1", keys: keys}
	r.feeder.submit(t.Context(), o, apiclient.Erasure{Reason: jobs.SubjectRequest})
	if o.id == "" {
		t.Fatal("the erasure was not accepted")
	}
	return o
}

func (r *round) mustSee(t *testing.T, what string, seen func() bool) {
	t.Helper()
	if !eventually(t.Context(), r.o.Patience, seen) {
		r.writeLogs()
		t.Fatalf("waited too long for %s", what)
	}
}

// count runs a query that gives one number; -1 when it cannot.
func (r *round) count(ctx context.Context, sql string, args ...any) (n int) {
	if r.pool.QueryRow(ctx, sql, args...).Scan(&n) != nil {
		return -1
	}
	return n
}

// wakeAfterTakeover stops a worker between two chunks for longer than its lease,
// and the worker that takes over too, and then lets the first one continue.
func wakeAfterTakeover(t *testing.T, r *round) {
	for _, w := range r.workers {
		w.order("chunk:committed", wire.Stop)
	}
	o := r.erase(t, 36) // more than the first two chunks of both
	stopped := func() *process {
		var who *process
		r.mustSee(t, "a worker to stop between two chunks", func() bool {
			for _, w := range r.workers {
				select {
				case <-w.hits:
					who = w
				default:
				}
			}
			return who != nil
		})
		return who
	}
	former := stopped()
	next := stopped()
	former.signal(syscall.SIGCONT)
	r.mustSee(t, "all clients to be gone", func() bool {
		return r.count(t.Context(), "SELECT count(*) FROM clients WHERE id::text = ANY($1)", o.keys) == 0
	})
	next.signal(syscall.SIGCONT)
	r.mustSee(t, "all three workers to give up their claims", func() bool {
		ended := r.count(t.Context(), "SELECT count(*) FROM oubli.jobs WHERE finished_at IS NULL") == 0 &&
			r.keys.LLen(t.Context(), "asynq:{interactive}:active").Val() == 0
		// Without the fence two workers may have recorded the same client, depending on
		// who was faster. Then the batch is claimed again and again, and never ends.
		return ended || r.count(t.Context(), "SELECT max(attempt) FROM oubli.tasks") > 20
	})
	r.settleAndCheck(t)
}

// loseHintsThatWait empties Redis while no worker runs.
func loseHintsThatWait(t *testing.T, r *round) {
	for _, w := range r.workers {
		w.signal(syscall.SIGSTOP)
	}
	r.erase(t, 16)
	r.mustSee(t, "a hint to wait in Redis", func() bool {
		return r.count(t.Context(), "SELECT count(*) FROM oubli.tasks WHERE dispatched_at IS NOT NULL") == 1 &&
			r.keys.LLen(t.Context(), "asynq:{interactive}:pending").Val() == 1
	})
	if err := r.keys.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for _, w := range r.workers {
		w.signal(syscall.SIGCONT)
	}
	if r.workers[0].tuning.Unwatched {
		patience := r.o.Patience
		r.o.Patience = 8 * time.Second // four times as long as it takes with a reconciler
		defer func() { r.o.Patience = patience }()
	}
	r.settleAndCheck(t)
}

// sendOneMail waits for twice the lease of a mail.
func sendOneMail(t *testing.T, r *round) {
	o := r.erase(t, 2)
	r.mustSee(t, "the mails to come, and to come again if they can", func() bool {
		if n := r.count(t.Context(), "SELECT count(*) FROM oubli.tasks WHERE kind = 'mail' AND state = 'done'"); n == len(o.notify) {
			return true
		}
		return len(r.mails.accepted()) > len(o.notify)
	})
	if r.workers[0].tuning.Unmarked {
		ended, err := r.checkJobs(t.Context())
		if err == nil {
			err = r.checkMails(t.Context(), ended)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	r.settleAndCheck(t)
}

func (r *round) settleAndCheck(t *testing.T) {
	t.Helper()
	if err := r.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(r.violations) > 0 {
		return
	}
	if err := r.check(t.Context()); err != nil {
		t.Fatal(err)
	}
}
