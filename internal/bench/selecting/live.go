package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// every is the time from one booking to the next during a measurement.
const every = 10 * time.Millisecond

// insertBooking makes a booking for a client who is active anyway, so that no
// candidate of a selection becomes active.
const insertBooking = `
	INSERT INTO appointments (studio_id, client_id, starts_at, status, service, client_name, price_cents)
	VALUES (1, $1, now() + '3 days', 'booked', 'Reformer', 'Bench', 4500)`

// live makes the bookings of a booking product on a connection of its own.
type live struct {
	conn    *pgx.Conn
	clients []int64 // for whom bookings are made
	booked  int
}

func openLive(ctx context.Context, url string) (*live, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	l := &live{conn: conn}
	// Clients who joined less than a year ago are never candidates.
	rows, err := conn.Query(ctx, "SELECT id FROM clients WHERE created_at > now() - interval '11 months' ORDER BY id DESC LIMIT 500")
	if err == nil {
		l.clients, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	}
	if err == nil && len(l.clients) == 0 {
		err = errors.New("no client joined less than a year ago: seed more clients")
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return l, nil
}

func (l *live) close() error { return l.conn.Close(context.Background()) }

// during makes bookings at a constant rate while f runs, and returns how long each
// took from the time at which it was due: waiting for the connection counts too.
func (l *live) during(ctx context.Context, f func() error) ([]time.Duration, error) {
	done, finished := make(chan struct{}), make(chan error, 1)
	var took []time.Duration
	go func() {
		start := time.Now()
		for n := 0; ; n++ {
			due := start.Add(time.Duration(n) * every)
			select {
			case <-done:
				finished <- nil
				return
			case <-time.After(time.Until(due)):
			}
			if _, err := l.conn.Exec(ctx, insertBooking, l.clients[l.booked%len(l.clients)]); err != nil {
				finished <- err
				return
			}
			l.booked++
			took = append(took, time.Since(due))
		}
	}()
	err := f()
	close(done)
	return took, errors.Join(err, <-finished)
}
