package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oubli/oubli/internal/bench/figures"
)

const (
	perSecond   = 400 // requests to the booking product
	connections = 16  // of its pool
)

// traffic is the load of a booking product: it reads calendars and clients, makes
// bookings and adds participants to classes, at a constant rate. One request in
// fifty is for a client whom the contender erases: in production, too, a client may
// come back on that day.
type traffic struct {
	conns []*pgx.Conn
	who   []int64 // to be erased
	all   int64   // clients are 1..all

	start   time.Time
	next    atomic.Int64
	until   atomic.Int64 // nanoseconds after start; requests due later are not made
	done    sync.WaitGroup
	mu      sync.Mutex
	took    []time.Duration // from the time at which each was due
	due     []time.Duration // after start
	refused int
	err     error
}

func openTraffic(ctx context.Context, url string, who *clientSet, clients int) (*traffic, error) {
	t := &traffic{who: who.ids, all: int64(clients)}
	for range connections {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.close()
			return nil, err
		}
		t.conns = append(t.conns, conn)
	}
	return t, nil
}

func (t *traffic) close() {
	for _, c := range t.conns {
		_ = c.Close(context.Background())
	}
}

func (t *traffic) begin(ctx context.Context) {
	t.start = time.Now()
	t.until.Store(int64(time.Hour))
	for _, conn := range t.conns {
		t.done.Go(func() { t.serve(ctx, conn) })
	}
}

// end waits for all requests that are due.
func (t *traffic) end() error {
	t.until.Store(int64(time.Since(t.start)))
	t.done.Wait()
	return t.err
}

func (t *traffic) serve(ctx context.Context, conn *pgx.Conn) {
	for {
		n := t.next.Add(1)
		due := time.Duration(n) * time.Second / perSecond
		for time.Since(t.start) < due && due < time.Duration(t.until.Load()) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(min(time.Until(t.start.Add(due)), 100*time.Millisecond)):
			}
		}
		if due >= time.Duration(t.until.Load()) {
			return
		}
		err := t.one(ctx, conn, n)
		refused := clientErased(err)
		t.mu.Lock()
		t.took, t.due = append(t.took, time.Since(t.start.Add(due))), append(t.due, due)
		if refused {
			t.refused++
		} else if err != nil {
			t.err = errors.Join(t.err, err)
		}
		t.mu.Unlock()
		if err != nil && !refused {
			return
		}
	}
}

// clientErased reports whether a booking was refused because its client is erased.
func clientErased(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "23503"
}

// one makes request number n.
func (t *traffic) one(ctx context.Context, conn *pgx.Conn, n int64) error {
	client := 1 + n*104729%t.all
	if n%50 == 0 {
		client = t.who[(n/50*31)%int64(len(t.who))]
	}
	var sql string
	args := []any{client}
	switch n % 10 {
	case 1, 4, 6, 8: // a day of the calendar
		sql = `SELECT id, client_name, starts_at FROM appointments
			WHERE studio_id = $1 AND starts_at >= now() - make_interval(days => $2) ORDER BY starts_at LIMIT 50`
		args = []any{1 + n%20, n % 300}
	case 2, 5, 9: // a client's page
		sql = `SELECT a.id, a.starts_at, c.email FROM clients AS c LEFT JOIN appointments AS a ON a.client_id = c.id
			WHERE c.id = $1 ORDER BY a.starts_at DESC LIMIT 20`
	case 0, 3: // a booking
		sql = `INSERT INTO appointments (studio_id, client_id, starts_at, status, service, client_name, price_cents)
			VALUES (1, $1, now() + '3 days', 'booked', 'Reformer 55', 'Bench', 4500)`
	default: // a place in a class
		sql = `INSERT INTO participations (session_id, client_id, status, price_cents, paid_cents)
			SELECT id, $1, 'booked', 1800, 0 FROM class_sessions WHERE studio_id = 1 + $2 % 20
			ORDER BY starts_at DESC LIMIT 1 ON CONFLICT DO NOTHING`
		args = append(args, n)
	}
	_, err := conn.Exec(ctx, sql, args...)
	return err
}

// beside is how long the booking product's requests took.
type beside struct {
	IdleMS   figures.Figures `json:"idle_ms"`
	DuringMS figures.Figures `json:"during_ms"`
	IdleRate float64         `json:"idle_per_second"`
	Rate     float64         `json:"per_second"` // requests that ended while the contender worked
	Refused  int             `json:"refused"`    // bookings of clients who were erased
}

// sum separates the requests that were due from a to b from those that were due
// before quiet.
func (t *traffic) sum(quiet, a, b time.Duration) beside {
	var idle, during []time.Duration
	ended := 0
	warm := min(2*time.Second, quiet/4)
	for i, due := range t.due {
		switch {
		case due < warm:
		case due < quiet:
			idle = append(idle, t.took[i])
		case due >= a && due < b:
			during = append(during, t.took[i])
			if due+t.took[i] < b {
				ended++
			}
		}
	}
	return beside{IdleMS: figures.Spread(idle), DuringMS: figures.Spread(during), Refused: t.refused,
		IdleRate: float64(len(idle)) / (quiet - warm).Seconds(), Rate: float64(ended) / (b - a).Seconds()}
}
