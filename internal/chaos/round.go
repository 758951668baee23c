//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/chaos/wire"
	"github.com/oubli/oubli/internal/httpapi"
	"github.com/oubli/oubli/jobs"
)

// round is one fresh database, the processes that work on it, and their requests.
type round struct {
	*lab
	*rand.Rand // of the schedule; others have their own
	seed       uint64
	name       string        // of the database
	pool       *pgxpool.Pool // as its owner, past the proxies
	api        *process
	workers    []*process
	client     *apiclient.Client
	token      string
	apiAddr    string
	feeder     *feeder
	begun      time.Time

	mu         sync.Mutex
	violations []string
	troubled   []window // in which a mail's record may have been lost
	figures    *Figures
}

// window is a time in which a server had a fault.
type window struct {
	cause    string
	from, to time.Time
}

// secret signs the tokens of this driver.
const secret = "a secret for the fault driver only"

// openRound copies the database and starts the processes.
func (l *lab) openRound(ctx context.Context, seed uint64, figures *Figures, tune func(name string, t *wire.Tuning)) (_ *round, err error) {
	r := &round{
		lab:     l,
		Rand:    rand.New(rand.NewPCG(seed, 1)),
		seed:    seed,
		name:    fmt.Sprintf("round%d", time.Now().UnixNano()),
		begun:   time.Now(),
		figures: figures,
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if err = l.sql(ctx, "CREATE DATABASE "+r.name+" TEMPLATE "+templateDB); err != nil {
		return nil, err
	}
	if r.pool, err = pgxpool.New(ctx, l.pg.URL(r.name)); err != nil {
		return nil, err
	}
	if err = l.keys.FlushAll(ctx).Err(); err != nil {
		return nil, err
	}
	l.mails.reset()
	caller := jobs.Caller{Subject: "chaos", Email: "chaos@studio.example", Tenant: jobs.AnyTenant, Role: jobs.Admin}
	if r.token, err = httpapi.Mint([]byte(secret), caller, 24*time.Hour); err != nil {
		return nil, err
	}
	if r.apiAddr, err = freeAddr(); err != nil {
		return nil, err
	}
	r.client = apiclient.New("http://"+r.apiAddr, r.token)
	if r.api, err = r.place("api", r.tuning("api", tune), "serve"); err != nil {
		return nil, err
	}
	for i := range l.o.Workers {
		name := fmt.Sprintf("worker%d", i+1)
		w, err := r.place(name, r.tuning(name, tune), "worker")
		if err != nil {
			return nil, err
		}
		r.workers = append(r.workers, w)
	}
	for _, p := range r.processes() {
		if err := p.awaitUp(ctx, l.o.Patience); err != nil {
			return nil, err
		}
	}
	r.feeder, err = newFeeder(ctx, r)
	return r, err
}

// tuning is what differs from production in every process: chunks are small and
// slow, so that faults happen in the middle of one.
func (r *round) tuning(name string, more func(string, *wire.Tuning)) wire.Tuning {
	t := wire.Tuning{Lease: r.o.Lease, MailLease: r.o.MailLease, MailRetry: 500 * time.Millisecond, ChunkMax: 8, Slow: 30 * time.Millisecond}
	if more != nil {
		more(name, &t)
	}
	return t
}

// batchClients is small, so that jobs have many batches.
const batchClients = 40

func (r *round) environ() []string {
	return []string{
		"PATH=/usr/bin:/bin", "OUBLI_MAP=" + r.mapFile, "OUBLI_AUTH_SECRET=" + secret, "OUBLI_MAIL_FROM=oubli <oubli@studio.example>",
		"OUBLI_LISTEN=" + r.apiAddr, "OUBLI_OPS_LISTEN=127.0.0.1:0", "OUBLI_LOG_LEVEL=debug", "OUBLI_DASHBOARD_WRITABLE=true",
		"OUBLI_CONCURRENCY=2", fmt.Sprintf("OUBLI_BATCH_CLIENTS=%d", batchClients),
	}
}

func (r *round) roles() (worker, api string, err error) { return bookingdb.RoleURLs(r.pg.URL(r.name)) }

func (r *round) processes() []*process {
	all := []*process{}
	if r.api != nil {
		all = append(all, r.api)
	}
	return append(all, r.workers...)
}

// close ends the processes and drops the database.
func (r *round) close() error {
	var all sync.WaitGroup
	for _, p := range r.processes() {
		all.Go(func() { p.retire(syscall.SIGKILL) })
	}
	all.Wait()
	if r.pool != nil {
		r.pool.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return r.sql(ctx, "DROP DATABASE IF EXISTS "+r.name+" WITH (FORCE)")
}

// violated records that a guarantee was broken.
func (r *round) violated(format string, args ...any) {
	v := fmt.Sprintf(format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.violations) < 50 {
		r.violations = append(r.violations, v)
		fmt.Fprintf(r.o.Log, "BROKEN  %s\n", v)
	}
}

func (r *round) say(format string, args ...any) {
	fmt.Fprintf(r.o.Log, "%7.1fs  %s\n", time.Since(r.begun).Seconds(), fmt.Sprintf(format, args...))
}

// recordDelay is how long it may take on a busy machine to record that a mail was
// accepted. A fault may prevent the record of a mail that was accepted so shortly
// before it.
const recordDelay = 3 * time.Second

// trouble records a time in which the acceptance of a mail may not have been known
// or recorded.
func (r *round) trouble(cause string, from, to time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.troubled = append(r.troubled, window{cause, from, to})
}

// undisturbed reports whether there was no fault shortly before: during a fault a
// worker cannot give a task back, and keeps it until the lease ends.
func (r *round) undisturbed(at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !slices.ContainsFunc(r.troubled, func(w window) bool { return w.to.After(at.Add(-15 * time.Second)) })
}

// marker matches the markers of any client: see booking.Markers.
var marker = regexp.MustCompile(`(?i)` + booking.MarkerPattern)

// readLog checks that no log line of a process contains a client's data.
func (r *round) readLog(line string) {
	if found := marker.FindString(line); found != "" {
		r.violated("a log contains data of a client: %q", found)
	}
	if strings.Contains(line, "handler panicked") || strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
		r.violated("a process panics: %s", line)
	}
}
