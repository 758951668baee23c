//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// databaseFaults are faults of PostgreSQL, which must not lose anything.
func databaseFaults() []fault {
	return []fault{
		{"database connections terminated", func(ctx context.Context, r *round) (recovery, error) {
			from := time.Now()
			for range 3 {
				if err := r.terminateBackends(ctx, 50); err != nil {
					return recovery{}, err
				}
				wait(ctx, 100*time.Millisecond)
			}
			r.trouble("the database", from.Add(-recordDelay), time.Now().Add(time.Second))
			return r.progress(ctx), nil
		}},
		{"database restarted at once", func(ctx context.Context, r *round) (recovery, error) {
			from := time.Now()
			r.pg.Kill()
			wait(ctx, r.outage())
			err := r.pg.Start(ctx)
			r.trouble("the database", from.Add(-recordDelay), time.Now().Add(time.Second))
			return r.progress(ctx), err
		}},
		{"database away", func(ctx context.Context, r *round) (recovery, error) {
			from := time.Now()
			for _, p := range r.processes() {
				p.db.cut()
			}
			wait(ctx, r.outage())
			err := r.repairDatabase()
			r.trouble("the database", from.Add(-recordDelay), time.Now().Add(time.Second))
			return r.progress(ctx), err
		}},
		{"database does not answer", func(ctx context.Context, r *round) (recovery, error) {
			from := time.Now()
			for _, p := range r.processes() {
				if err := p.db.silence(); err != nil {
					return recovery{}, err
				}
			}
			wait(ctx, r.outage())
			err := r.repairDatabase()
			r.trouble("the database", from.Add(-recordDelay), time.Now().Add(time.Second))
			return r.progress(ctx), err
		}},
		{"database cut at the answer to COMMIT", func(ctx context.Context, r *round) (recovery, error) {
			return r.cutAt(ctx, func(p *process) link { return p.db }, "downstream", committed)
		}},
		{"too many database connections", tooMany},
		{"another transaction locks clients", lockClients},
		{"another transaction locks a table", lockTable},
		{"another transaction locks a task", lockTask},
		{"the disk is full", diskFull},
		{"the schema grows a column", schemaGrows},
		{"a client whom the database refuses", refusedClient},
	}
}

func (r *round) repairDatabase() error {
	for _, p := range r.processes() {
		if err := p.db.restore(); err != nil {
			return err
		}
	}
	return nil
}

// terminateBackends ends about so many per cent of oubli's connections.
func (r *round) terminateBackends(ctx context.Context, percent int) error {
	_, err := r.pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'oubli' AND random() * 100 < $1`, percent)
	return err
}

// tooMany uses up the server's connections.
func tooMany(ctx context.Context, r *round) (recovery, error) {
	worker, _, err := r.roles()
	if err != nil {
		return recovery{}, err
	}
	from := time.Now()
	var taken []*pgx.Conn
	defer func() {
		for _, c := range taken {
			_ = c.Close(context.WithoutCancel(ctx))
		}
	}()
	for round := range 2 {
		for len(taken) < 300 {
			c, err := pgx.Connect(ctx, worker)
			if err != nil {
				break
			}
			taken = append(taken, c)
		}
		if round == 0 {
			if err := r.terminateBackends(ctx, 70); err != nil {
				return recovery{}, err
			}
		}
	}
	wait(ctx, r.outage())
	for _, c := range taken {
		_ = c.Close(ctx)
	}
	taken = nil
	r.trouble("the database", from.Add(-recordDelay), time.Now().Add(time.Second))
	return r.progress(ctx), nil
}

// lockWhile keeps a statement's locks in another transaction for a while.
func (r *round) lockWhile(ctx context.Context, sql string, args ...any) (recovery, error) {
	tx, err := r.pool.Begin(ctx)
	if err != nil {
		return recovery{}, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '10s'"); err != nil {
		return recovery{}, err
	}
	if _, err := tx.Exec(ctx, sql, args...); err != nil {
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "55P03" || pg.Code == "40P01") {
			err = errNotMet // it lost the race for its locks
		}
		return recovery{}, err
	}
	wait(ctx, 2*r.outage())
	if err := tx.Rollback(ctx); err != nil {
		return recovery{}, err
	}
	return r.progress(ctx), nil
}

func lockClients(ctx context.Context, r *round) (recovery, error) {
	return r.lockWhile(ctx, `SELECT FROM clients WHERE id IN (
		SELECT unnest(keys[position + 1:])::bigint FROM oubli.tasks
		WHERE kind = 'batch' AND state IN ('pending', 'running') LIMIT 60) FOR UPDATE SKIP LOCKED`)
}

func lockTable(ctx context.Context, r *round) (recovery, error) {
	tables := []string{"appointments", "invoices", "clients", "client_notes"}
	return r.lockWhile(ctx, fmt.Sprintf("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", tables[r.IntN(len(tables))]))
}

func lockTask(ctx context.Context, r *round) (recovery, error) {
	return r.lockWhile(ctx, `WITH few AS (
		  SELECT id, job_id FROM oubli.tasks WHERE state IN ('pending', 'running') LIMIT 2 FOR UPDATE SKIP LOCKED)
		SELECT FROM oubli.jobs WHERE id IN (SELECT job_id FROM few) FOR UPDATE SKIP LOCKED`)
}

// diskFull leaves PostgreSQL no disk space for a while. PostgreSQL may crash and
// start again only once there is space.
func diskFull(ctx context.Context, r *round) (recovery, error) {
	if r.disk == nil {
		return recovery{}, errNotMet
	}
	from := time.Now()
	free, err := r.disk.fill()
	if err != nil {
		return recovery{}, err
	}
	// Write something, so that the limit is reached.
	_, _ = r.pool.Exec(ctx, "CREATE TABLE public.filler AS SELECT repeat(g::text, 100) AS filler FROM generate_series(1, 200000) AS g")
	wait(ctx, r.outage())
	if err := free(); err != nil {
		return recovery{}, err
	}
	if err := r.pool.Ping(ctx); err != nil {
		r.say("the full disk took the database down")
		r.pg.Kill()
		if err := r.pg.Start(ctx); err != nil {
			return recovery{}, err
		}
	}
	r.trouble("the database", from.Add(-recordDelay), time.Now().Add(time.Second))
	_, err = r.pool.Exec(ctx, "DROP TABLE IF EXISTS public.filler")
	return r.progress(ctx), err
}

// schemaGrows adds a column that the map does not cover. Jobs that need the table
// are blocked until the column is gone.
func schemaGrows(ctx context.Context, r *round) (recovery, error) {
	if _, err := r.pool.Exec(ctx, `
		SET lock_timeout = '10s';
		ALTER TABLE appointments ADD COLUMN nickname text;
		RESET lock_timeout`); err != nil {
		return recovery{}, errNotMet
	}
	const erasedSQL = "SELECT coalesce(sum(erased + erased_retained), 0) FROM oubli.tasks"
	var before, after int
	if err := r.pool.QueryRow(ctx, erasedSQL).Scan(&before); err != nil {
		return recovery{}, err
	}
	r.feeder.requestSmall(ctx)
	blocked := eventually(ctx, 10*time.Second, func() bool {
		var n int
		err := r.pool.QueryRow(ctx, "SELECT count(*) FROM oubli.jobs WHERE state = 'blocked' AND blocked_reason LIKE '%nickname%'").Scan(&n)
		return err == nil && n > 0
	})
	if err := r.pool.QueryRow(ctx, erasedSQL).Scan(&after); err != nil {
		return recovery{}, err
	}
	if after != before {
		r.violated("%d clients were erased under a column that the map does not know", after-before)
	}
	ok := eventually(ctx, r.o.Patience, func() bool {
		_, err := r.pool.Exec(ctx, "ALTER TABLE appointments DROP COLUMN IF EXISTS nickname")
		return err == nil
	})
	if !ok {
		return recovery{}, fmt.Errorf("the column cannot be dropped again")
	}
	if !blocked {
		return recovery{}, errNotMet // workers that start just then refuse to
	}
	return recovery{time.Now(), func(ctx context.Context) bool {
		var n int
		err := r.pool.QueryRow(ctx, "SELECT count(*) FROM oubli.jobs WHERE state = 'blocked'").Scan(&n)
		return err == nil && n == 0
	}}, nil
}

// refusedClient erases clients of whom a trigger protects one.
func refusedClient(ctx context.Context, r *round) (recovery, error) {
	client := r.feeder.special(2)
	if client == "" {
		return recovery{}, errNotMet
	}
	if _, err := r.pool.Exec(ctx, "INSERT INTO protected VALUES ($1::text::bigint)", client); err != nil {
		return recovery{}, err
	}
	r.feeder.askFor(ctx, 2, client)
	return r.progress(ctx), nil
}
