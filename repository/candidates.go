package repository

import (
	"context"
	"errors"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// Candidates reads a page of a selection in the order of keys, with the present
// names. Every page takes the same time, wherever it is in the list.
func (s *Store) Candidates(ctx context.Context, tenant, id string, page jobs.Page) (jobs.List[jobs.Candidate], error) {
	var none jobs.List[jobs.Candidate]
	from := 0
	if page.Cursor != "" {
		var err error
		if from, err = strconv.Atoi(page.Cursor); err != nil || from < 0 || from > 1<<30 {
			return none, badCursor()
		}
	}
	p, err := s.covered(ctx)
	if err != nil {
		return none, unavailableWithGaps(err)
	}
	owner, err := s.selectionOwner(ctx, tenant, id)
	if err != nil {
		return none, err
	}
	rows, err := s.pool.Query(ctx, `
		SELECT c.key, c.code, c.key IN (SELECT unnest(excluded) FROM oubli.selections WHERE id = $1)
		FROM oubli.selection_parts AS part
		CROSS JOIN LATERAL unnest(part.keys, part.codes) WITH ORDINALITY AS c(key, code, place)
		WHERE part.selection_id = $1 AND part.number BETWEEN $2::int / $4::int AND ($2::int + $3::int) / $4::int
		  AND part.number * $4::int + c.place - 1 BETWEEN $2::int AND $2::int + $3::int
		ORDER BY part.number, c.place`, id, from, page.Limit, selectionPart)
	if err != nil {
		return none, pgfault.Wrap("read candidates", err)
	}
	items, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (jobs.Candidate, error) {
		var c jobs.Candidate
		var code string
		var excluded bool
		err := row.Scan(&c.ClientID, &code, &excluded)
		if code != "" {
			c.Blocked = &code
		}
		c.Included = code == "" && !excluded
		return c, err
	})
	if err != nil {
		return none, pgfault.Wrap("read candidates", err)
	}
	l := jobs.List[jobs.Candidate]{Items: items}
	if len(items) > page.Limit {
		l.Items, l.Next = items[:page.Limit], strconv.Itoa(from+page.Limit)
	}
	keys := make([]string, len(l.Items))
	at := map[string]*jobs.Candidate{}
	for i := range l.Items {
		keys[i] = l.Items[i].ClientID
		at[keys[i]] = &l.Items[i]
	}
	args, err := bind(forClients(p, owner, keys), p.Preview)
	if err != nil {
		return none, err
	}
	if rows, err = s.pool.Query(ctx, p.Preview.SQL, args...); err != nil {
		return none, pgfault.Wrap("read names", err)
	}
	var key, name string
	var live jobs.Candidate
	_, err = pgx.ForEachRow(rows, []any{&key, &name, &live.CreatedAt, &live.LastActivityAt}, func() error {
		c, shown := at[key], name
		c.Name, c.CreatedAt, c.LastActivityAt = &shown, live.CreatedAt, live.LastActivityAt
		return nil
	})
	return l, pgfault.Wrap("read names", err)
}

// selectionOwner is the tenant of a selection. It does not read the counts: once
// a candidate is excluded, to count means to read every candidate.
func (s *Store) selectionOwner(ctx context.Context, tenant, id string) (owner string, err error) {
	if _, err := uuid.Parse(id); err != nil {
		return "", noSelection()
	}
	err = s.pool.QueryRow(ctx, "SELECT tenant_id FROM oubli.selections WHERE id = $1 AND ($2 = '*' OR tenant_id = $2)",
		id, tenant).Scan(&owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", noSelection()
	}
	return owner, pgfault.Wrap("read selection", err)
}
