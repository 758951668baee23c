package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// clientSet is the clients whom every contender of a comparison erases.
type clientSet struct {
	name   string // "several tenants" or "one tenant"
	ids    []int64
	tenant []int64 // of each id
}

// clientSets picks clients at random who have had no appointment for a year and
// for whom no guard holds: n of the largest studio, and n of all others.
func clientSets(ctx context.Context, url string, n int) (several, one *clientSet, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	pick := func(name, where string) (*clientSet, error) {
		c := &clientSet{name: name}
		rows, err := conn.Query(ctx, `
			SELECT id, studio_id FROM (
			  SELECT id, studio_id FROM clients AS c
			  WHERE NOT legal_hold AND balance_cents = 0 AND NOT is_anonymous AND `+where+`
			    AND NOT EXISTS (SELECT FROM appointments WHERE client_id = c.id AND starts_at > now() - interval '1 year')
			    AND NOT EXISTS (SELECT FROM invoices WHERE client_id = c.id AND status = 'open')
			  ORDER BY hashint8(id), id LIMIT $1) AS c
			ORDER BY studio_id, id`, n)
		if err != nil {
			return nil, err
		}
		var id, tenant int64
		_, err = pgx.ForEachRow(rows, []any{&id, &tenant}, func() error {
			c.ids, c.tenant = append(c.ids, id), append(c.tenant, tenant)
			return nil
		})
		if err == nil && len(c.ids) != n {
			err = fmt.Errorf("only %d clients to erase of %s, want %d", len(c.ids), name, n)
		}
		return c, err
	}
	if several, err = pick("several tenants", "studio_id <> 1"); err != nil {
		return nil, nil, err
	}
	one, err = pick("one tenant", "studio_id = 1")
	return several, one, err
}

// part is at most n clients of the set, without the first ones.
func (c *clientSet) part(from, n int) *clientSet {
	to := min(from+n, len(c.ids))
	return &clientSet{c.name, c.ids[from:to], c.tenant[from:to]}
}

// requests returns one request for each tenant of the set.
func (c *clientSet) requests() []request {
	var all []request
	for i, id := range c.ids {
		if len(all) == 0 || all[len(all)-1].tenant != c.tenant[i] {
			all = append(all, request{tenant: c.tenant[i]})
		}
		last := &all[len(all)-1]
		last.keys = append(last.keys, fmt.Sprint(id))
	}
	return all
}

// request is the contents of one HTTP request.
type request struct {
	tenant int64
	keys   []string
}
