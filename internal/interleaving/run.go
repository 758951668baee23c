package interleaving

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Transaction is one transaction of the application: a statement, the stop at which
// it executes, counted from 0, and the stop at which it commits.
type Transaction struct {
	SQL string
	At  int
	// Commit is At for a statement that commits at once, and later for one whose
	// transaction stays open. It commits earlier if the program waits for it.
	Commit int
	// Level, when set, is the transaction's isolation level: repeatable read or
	// serializable. Begins is then the stop, At or earlier, at which it begins and
	// takes its snapshot.
	Level  string
	Begins int
}

// Schedule says what the application does.
type Schedule []Transaction

func (s Schedule) String() string {
	var b strings.Builder
	for _, t := range s {
		fmt.Fprintf(&b, "at %d, commit at %d: %s %s\n", t.At, t.Commit, t.SQL, t.Level)
	}
	return b.String()
}

// Run is the program at work, with the application beside it.
type Run struct {
	Stops []Stop // where the program has been

	ctx context.Context
	db  *Database

	mu   sync.Mutex // the program may have several sessions
	apps []*application
	err  error // of the run itself
}

// application is one transaction of the application on its session.
type application struct {
	Transaction
	session *pgx.Conn
	state   appState
	done    chan error // of the statement that is under way
	// committing says that this is the end of the transaction.
	committing bool
	result     error  // what the application was told
	at         string // where it executed
}

type appState int

const (
	notBegun appState = iota
	begun             // it has its snapshot
	underWay          // its statement waits for the program
	executed          // its transaction is open
	ended
)

// Result is how a run ended.
type Result struct {
	Stops   []Stop
	Told    []error // what each transaction of the application was told
	Content Content
}

// Run brings the database back to what it was, lets the program do its work as op
// says, with the application's transactions in between, and reads what is there
// then. What has not happened when op returns happens afterwards.
func (d *Database) Run(ctx context.Context, p *Proxy, s Schedule, op func(context.Context, *Run) error) (*Result, error) {
	if err := d.reset(ctx); err != nil {
		return nil, fmt.Errorf("reset: %w", err)
	}
	if len(s) > len(d.sessions) {
		return nil, fmt.Errorf("%d transactions at once, and %d sessions", len(s), len(d.sessions))
	}
	r := &Run{ctx: ctx, db: d}
	for i, t := range s {
		r.apps = append(r.apps, &application{Transaction: t, session: d.sessions[i]})
	}
	p.watch(r)
	err := op(ctx, r)
	p.watch(nil)
	if err == nil {
		err = r.err
	}
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return nil, errors.Join(err, r.abandon())
	}
	res := &Result{Stops: r.Stops}
	for _, a := range r.apps {
		res.Told = append(res.Told, a.result)
	}
	res.Content, err = d.content(ctx)
	return res, err
}

// stop is where the application's transactions happen.
func (r *Run) stop(at Stop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.Stops)
	r.Stops = append(r.Stops, at)
	for _, a := range r.apps {
		r.collect(a)
		if a.state == notBegun && a.Level != "" && a.Begins == n {
			r.begin(a)
		}
		if (a.state == notBegun || a.state == begun) && a.At == n {
			a.at = at.String()
			r.execute(a)
		}
		if a.state == executed && a.Commit <= n {
			r.commit(a)
		}
	}
}

// waits lets a transaction commit for which the program waits.
func (r *Run) waits(pid uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var blocking []uint32
	for _, a := range r.apps {
		r.collect(a)
		if a.state != executed {
			continue
		}
		if blocking == nil {
			if err := r.db.admin.QueryRow(r.ctx, "SELECT pg_blocking_pids($1)::int8[]::oid[]", pid).Scan(&blocking); err != nil {
				r.fail(err)
				return
			}
		}
		for _, b := range blocking {
			if b == a.session.PgConn().PID() {
				r.commit(a)
				break
			}
		}
	}
}

// Settle ends the transactions that have begun, for a program that waits for them
// in its own way.
func (r *Run) Settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle()
}

func (r *Run) settle() {
	for _, a := range r.apps {
		if a.state == begun {
			r.execute(a)
		}
	}
	for again := true; again; { // one may wait for another
		again = false
		for _, a := range r.apps {
			r.collect(a)
			if a.state == executed {
				r.commit(a)
				again = true
			}
		}
	}
	for _, a := range r.apps {
		for a.state == underWay || a.state == executed {
			if a.state == executed {
				r.commit(a)
			} else {
				r.answered(a, <-a.done)
			}
		}
	}
}

func (r *Run) fail(err error) { r.err = errors.Join(r.err, err) }

// begin begins a transaction, which takes its snapshot if it keeps one.
func (r *Run) begin(a *application) {
	sql := "begin"
	if a.Level != "" {
		sql += " isolation level " + a.Level + "; SELECT count(*) FROM pg_class"
	}
	if _, err := a.session.Exec(r.ctx, sql); err != nil {
		r.fail(err)
	}
	a.state = begun
}

// execute runs a transaction's statement.
func (r *Run) execute(a *application) {
	if a.state == notBegun && (a.Commit > a.At || a.Level != "") {
		r.begin(a)
	}
	r.send(a, a.SQL)
}

// send runs a statement of a transaction and waits until it has run or waits for a
// lock.
func (r *Run) send(a *application, sql string) {
	a.state, a.done = underWay, make(chan error, 1)
	go func() {
		_, err := a.session.PgConn().Exec(r.ctx, sql).ReadAll()
		a.done <- err
	}()
	tick := time.NewTicker(patience)
	defer tick.Stop()
	for {
		select {
		case err := <-a.done:
			r.answered(a, err)
			return
		case <-tick.C:
			var blocked bool
			err := r.db.admin.QueryRow(r.ctx, "SELECT cardinality(pg_blocking_pids($1)) > 0", a.session.PgConn().PID()).Scan(&blocked)
			if err != nil {
				r.fail(err)
				return
			}
			if blocked {
				return
			}
		}
	}
}

// collect sees whether a statement that waited has run.
func (r *Run) collect(a *application) {
	if a.state != underWay {
		return
	}
	select {
	case err := <-a.done:
		r.answered(a, err)
	default:
	}
}

func (r *Run) answered(a *application, err error) {
	if a.result == nil {
		a.result = err
	}
	if a.committing {
		a.state = ended
		return
	}
	a.state = executed
	if a.Commit <= a.At || err != nil {
		r.commit(a)
	}
}

// commit ends a transaction, by rolling it back after an error. It may wait too: a
// deferred constraint looks at other rows then.
func (r *Run) commit(a *application) {
	if a.session.PgConn().TxStatus() == 'I' {
		a.state = ended
		return
	}
	a.committing = true
	r.send(a, "commit")
}

// end lets everything happen that has not happened yet, in the order of the
// schedule.
func (r *Run) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle()
	for _, a := range r.apps {
		if a.state == notBegun {
			a.at, a.Commit = "at the end", a.At
			r.execute(a)
		}
	}
	return r.err
}

// abandon ends what is under way after a run that failed.
func (r *Run) abandon() error {
	for _, a := range r.apps {
		if a.state == underWay {
			<-a.done
		}
		if a.session.PgConn().TxStatus() != 'I' {
			if _, err := a.session.Exec(r.ctx, "rollback"); err != nil {
				return err
			}
		}
	}
	return nil
}

// Refused reports whether the application was told that locks prevent its
// statement. Then it has changed nothing, and would try again.
func Refused(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "40P01" || pg.Code == "55P03" || pg.Code == "40001")
}
