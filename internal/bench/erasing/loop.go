package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// The statements that an ORM's callbacks run for one client. The loop is better
// than many: it has one statement for each association, not for each row. Only
// participations are changed one by one, because they may conflict.
var (
	loopBefore = []string{
		"SELECT id, studio_id, first_name, last_name, email, address_id FROM clients WHERE id = $1 FOR UPDATE",
		"SELECT EXISTS (SELECT FROM appointments WHERE client_id = $1 AND starts_at > now() AND status = 'booked')",
		"SELECT EXISTS (SELECT FROM invoices WHERE client_id = $1 AND status = 'open')",
		"UPDATE clients SET referred_by = NULL WHERE referred_by = $1",
		`UPDATE invoice_lines SET participation_id = NULL
		WHERE invoice_id IN (SELECT id FROM invoices WHERE client_id = $1) AND participation_id IS NOT NULL`,
		"DELETE FROM client_notes WHERE client_id = $1",
		"DELETE FROM messages WHERE client_id = $1",
		"DELETE FROM memberships WHERE client_id = $1",
		"DELETE FROM consents WHERE client_id = $1",
		"DELETE FROM audit_log WHERE subject_id = $1 AND subject_type = 'Client'",
	}
	loopMoves = []string{
		"UPDATE appointments SET client_id = $2, client_name = 'Unknown client', note = NULL WHERE client_id = $1",
		"UPDATE invoices SET client_id = $2 WHERE client_id = $1",
	}
)

// loop is contender (b): client after client, one transaction each. It stops after
// a sample, because a hundred thousand clients would take an hour.
func loop(url func(*clone) string, from int, most time.Duration) contender {
	return func(ctx context.Context, c *clone, who *clientSet, r *result) error {
		who = who.part(from, len(who.ids)/2)
		conn, err := pgx.Connect(ctx, url(c))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		l := &looper{conn: conn, profiles: map[int64][]int64{}, r: r}
		start := time.Now()
		r.Clients = 0
		for i, id := range who.ids {
			if time.Since(start) > most {
				break
			}
			began := time.Now()
			err := pgx.BeginFunc(ctx, conn, func(pgx.Tx) error { return l.erase(ctx, id, who.tenant[i]) })
			if err != nil {
				return err
			}
			r.LongestMS = max(r.LongestMS, ms(time.Since(began)))
			r.Clients++
		}
		return nil
	}
}

type looper struct {
	conn     *pgx.Conn
	profiles map[int64][]int64 // a studio's anonymous profiles, by slot
	r        *result
}

func (l *looper) exec(ctx context.Context, sql string, args ...any) error {
	tag, err := l.conn.Exec(ctx, sql, args...)
	if !tag.Select() && !tag.Insert() {
		l.r.Rows += tag.RowsAffected()
	}
	return err
}

func (l *looper) erase(ctx context.Context, id, studio int64) error {
	for _, sql := range loopBefore {
		if err := l.exec(ctx, sql, id); err != nil {
			return err
		}
	}
	shared, err := l.profile(ctx, studio, 0)
	if err != nil {
		return err
	}
	for _, sql := range loopMoves {
		if err := l.exec(ctx, sql, id, shared); err != nil {
			return err
		}
	}
	if err := l.assignProfiles(ctx, id, studio); err != nil {
		return err
	}
	var address *int64
	if err := l.conn.QueryRow(ctx, "DELETE FROM clients WHERE id = $1 RETURNING address_id", id).Scan(&address); err != nil {
		return err
	}
	l.r.Rows++
	if address == nil {
		return nil
	}
	return l.exec(ctx, "DELETE FROM addresses WHERE id = $1 AND NOT EXISTS (SELECT FROM clients WHERE address_id = $1)", *address)
}

// assignProfiles moves each participation to the first profile that is free in its
// class.
func (l *looper) assignProfiles(ctx context.Context, id, studio int64) error {
	rows, err := l.conn.Query(ctx, "SELECT id, session_id FROM participations WHERE client_id = $1", id)
	if err != nil {
		return err
	}
	type participation struct{ ID, Session int64 }
	mine, err := pgx.CollectRows(rows, pgx.RowToStructByPos[participation])
	if err != nil {
		return err
	}
	for _, s := range mine {
		rows, err := l.conn.Query(ctx, "SELECT client_id FROM participations WHERE session_id = $1 AND client_id = ANY($2)",
			s.Session, l.profiles[studio])
		if err != nil {
			return err
		}
		taken, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		slot := 0
		for slot < len(l.profiles[studio]) && slices.Contains(taken, l.profiles[studio][slot]) {
			slot++
		}
		profile, err := l.profile(ctx, studio, slot)
		if err != nil {
			return err
		}
		if err := l.exec(ctx, "UPDATE participations SET client_id = $2, comment = NULL WHERE id = $1", s.ID, profile); err != nil {
			return err
		}
	}
	return nil
}

func (l *looper) profile(ctx context.Context, studio int64, slot int) (int64, error) {
	if slot > len(l.profiles[studio]) {
		return 0, errors.New("the slots before this one have no profile")
	}
	if slot == len(l.profiles[studio]) {
		var id int64
		err := l.conn.QueryRow(ctx, `INSERT INTO clients (studio_id, first_name, group_name, is_anonymous)
			VALUES ($1, 'Unknown client', 'Externe', true) RETURNING id`, studio).Scan(&id)
		if err != nil {
			return 0, err
		}
		l.profiles[studio] = append(l.profiles[studio], id)
	}
	return l.profiles[studio][slot], nil
}
