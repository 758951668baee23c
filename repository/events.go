package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

const (
	// EventsKept is how long events are kept, for readers who were away and for an
	// address that does not answer.
	EventsKept = 7 * 24 * time.Hour
	// numberAtOnce is how many events are given numbers in one transaction.
	numberAtOnce = 1000
)

// NumberEvents gives numbers to the events that have committed since the last call, of
// whatever process, and returns the last number. One transaction at a time does so:
// numbers grow in the order in which readers can see the events. The events of one job
// keep their order, because each change of its state locks its row.
func (s *Store) NumberEvents(ctx context.Context) (last int64, err error) {
	var fresh bool
	err = s.pool.QueryRow(ctx, `
		SELECT last_event, EXISTS (SELECT FROM oubli.events WHERE number IS NULL) FROM oubli.service`).Scan(&last, &fresh)
	if err != nil || !fresh {
		return last, pgfault.Wrap("look for events", err)
	}
	err = s.tx(ctx, "number events", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "SELECT FROM oubli.service FOR UPDATE SKIP LOCKED")
		if err != nil || tag.RowsAffected() == 0 { // another process does it
			return err
		}
		return tx.QueryRow(ctx, `
			WITH fresh AS (
			  SELECT id, row_number() OVER (ORDER BY id) AS n
			  FROM (SELECT id FROM oubli.events WHERE number IS NULL ORDER BY id LIMIT $1) AS e),
			numbered AS (
			  UPDATE oubli.events AS e SET number = (SELECT last_event FROM oubli.service) + fresh.n
			  FROM fresh WHERE e.id = fresh.id RETURNING e.number)
			UPDATE oubli.service SET last_event = last_event + (SELECT count(*) FROM numbered) RETURNING last_event`,
			numberAtOnce).Scan(&last)
	})
	return last, err
}

// EventsAfter reads events of a tenant in the order of their numbers, from after one.
// expired says that some that came later than it were deleted already.
func (s *Store) EventsAfter(ctx context.Context, tenant string, after int64, limit int) (events []jobs.JobEvent, expired bool, err error) {
	which, args := "number > $1", []any{after, limit}
	if tenant != jobs.AnyTenant {
		which, args = "number > $1 AND tenant_id = $3", append(args, tenant)
	}
	err = s.db.Snapshot(ctx, "read events", func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT expired_event > $1 FROM oubli.service", after).Scan(&expired); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			SELECT number, coalesce(job_id::text, ''), tenant_id, type, at, data FROM oubli.events
			WHERE `+which+` ORDER BY number LIMIT $2`, args...)
		if err == nil {
			events, err = pgx.CollectRows(rows, scanEvent)
		}
		return err
	})
	return events, expired, err
}

func scanEvent(row pgx.CollectableRow) (e jobs.JobEvent, err error) {
	err = row.Scan(&e.Number, &e.JobID, &e.TenantID, &e.Type, &e.Timestamp, &e.Data)
	e.Timestamp = e.Timestamp.UTC()
	return e, err
}

// Progress reads how far jobs are. A job that does not exist any more is left out.
func (s *Store) Progress(ctx context.Context, ids []string) (map[string]jobs.JobProgress, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT j.id::text, j.state,
		  (SELECT coalesce(sum(t.position), 0) FROM oubli.tasks AS t WHERE t.job_id = j.id AND t.kind <> 'mail')::int
		FROM oubli.jobs AS j WHERE j.id = ANY($1::text[]::uuid[])`, ids)
	if err != nil {
		return nil, pgfault.Wrap("read progress", err)
	}
	all := map[string]jobs.JobProgress{}
	var id string
	var p jobs.JobProgress
	_, err = pgx.ForEachRow(rows, []any{&id, &p.State, &p.Done}, func() error { all[id] = p; return nil })
	return all, pgfault.Wrap("read progress", err)
}

// ClaimEvents takes events to deliver to OUBLI_EVENTS_URL, each of which no one else
// takes before the lease is over. Of a job it takes only the oldest that is not
// delivered, so that its events arrive in order.
func (s *Store) ClaimEvents(ctx context.Context, limit int, lease time.Duration) ([]jobs.JobEvent, error) {
	var all []jobs.JobEvent
	err := s.tx(ctx, "claim events", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			WITH due AS (
			  SELECT e.id FROM oubli.events AS e
			  WHERE e.number > (SELECT coalesce(webhook_after, last_event) FROM oubli.service)
			    AND e.delivered_at IS NULL AND e.try_at <= now() AND NOT EXISTS (
			      SELECT FROM oubli.events AS o WHERE o.job_id = e.job_id AND o.number < e.number AND o.delivered_at IS NULL
			        AND o.number > (SELECT webhook_after FROM oubli.service))
			  ORDER BY e.number LIMIT $1 FOR UPDATE SKIP LOCKED)
			UPDATE oubli.events AS e SET attempts = attempts + 1, try_at = now() + $2::interval
			FROM due WHERE e.id = due.id
			RETURNING e.number, coalesce(e.job_id::text, ''), e.tenant_id, e.type, e.at, e.data, e.attempts`, limit, lease)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e jobs.JobEvent, err error) {
			err = row.Scan(&e.Number, &e.JobID, &e.TenantID, &e.Type, &e.Timestamp, &e.Data, &e.Attempt)
			e.Timestamp = e.Timestamp.UTC()
			return e, err
		})
		return err
	})
	return all, err
}

// StartWebhook notes that events are delivered from now on, the first time that a
// process has an address for them.
func (s *Store) StartWebhook(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, "UPDATE oubli.service SET webhook_after = last_event WHERE webhook_after IS NULL")
	return pgfault.Wrap("start delivering events", err)
}

// EventDelivered notes that an event has arrived.
func (s *Store) EventDelivered(ctx context.Context, number int64) error {
	_, err := s.pool.Exec(ctx, "UPDATE oubli.events SET delivered_at = now() WHERE number = $1", number)
	return pgfault.Wrap("note a delivered event", err)
}

// EventRefused says when to deliver an event again.
func (s *Store) EventRefused(ctx context.Context, number int64, wait time.Duration) error {
	_, err := s.pool.Exec(ctx, "UPDATE oubli.events SET try_at = now() + $2::interval WHERE number = $1 AND delivered_at IS NULL",
		number, wait)
	return pgfault.Wrap("note a refused event", err)
}

// expireEvents deletes old events and remembers the last of them, so that a reader
// who was away for longer is told.
func (s *Store) expireEvents(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `
		WITH gone AS (DELETE FROM oubli.events WHERE at < now() - $1::interval RETURNING number)
		UPDATE oubli.service SET expired_event = greatest(expired_event, (SELECT max(number) FROM gone))
		WHERE EXISTS (SELECT FROM gone WHERE number IS NOT NULL)`, EventsKept)
	return pgfault.Wrap("delete events", err)
}
