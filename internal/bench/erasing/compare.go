package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Two ways of erasing the same clients may differ in these: to which of a tenant's
// anonymous profiles a row moves, the profiles themselves (their ids, and how many
// there are), when rows were last updated, and the control schema. All else is
// compared row by row.

// contents are hashes of a database's rows, added up by table and by range of a
// thousand ids.
type contents map[string]map[int64]idRange

type idRange struct {
	rows int64
	hash string
}

// read hashes every row of every table of the booking product.
func read(ctx context.Context, url string) (_ contents, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	rows, err := conn.Query(ctx, `
		SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
		GROUP BY 1`)
	if err != nil {
		return nil, err
	}
	tables := map[string][]string{}
	var table string
	var columns []string
	if _, err := pgx.ForEachRow(rows, []any{&table, &columns}, func() error {
		tables[table] = columns
		return nil
	}); err != nil {
		return nil, err
	}
	all := contents{}
	for table, columns := range tables {
		if all[table], err = hash(ctx, conn, table, columns); err != nil {
			return nil, fmt.Errorf("read %s: %w", table, err)
		}
	}
	return all, nil
}

func hash(ctx context.Context, conn *pgx.Conn, table string, columns []string) (map[int64]idRange, error) {
	var values []string
	from, where := pgx.Identifier{table}.Sanitize()+" AS t", ""
	for _, c := range columns {
		value := "t." + pgx.Identifier{c}.Sanitize() + "::text"
		switch {
		case c == "updated_at":
			continue
		case c == "client_id":
			value = "CASE WHEN p.id IS NULL THEN " + value + " ELSE 'profile of ' || p.studio_id END"
			from += " LEFT JOIN clients AS p ON p.id = t.client_id AND p.is_anonymous"
		}
		values = append(values, value)
	}
	if table == "clients" {
		where = " WHERE NOT t.is_anonymous"
	}
	sql := fmt.Sprintf(`SELECT t.id / 1000, count(*), sum(hashtextextended(ROW(%s)::text, 0)::numeric)::text
		FROM %s%s GROUP BY 1`, strings.Join(values, ", "), from, where)
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	found := map[int64]idRange{}
	var at int64
	var s idRange
	_, err = pgx.ForEachRow(rows, []any{&at, &s.rows, &s.hash}, func() error {
		found[at] = s
		return nil
	})
	return found, err
}

// compare says where two databases differ; nil when they do not.
func compare(a, b contents) error {
	var errs []error
	for _, table := range slices.Sorted(maps.Keys(a)) {
		differ := 0
		var first int64 = -1
		for at := range both(a[table], b[table]) {
			if a[table][at] != b[table][at] {
				if differ++; first < 0 || at < first {
					first = at
				}
			}
		}
		if differ > 0 {
			errs = append(errs, fmt.Errorf("%s: %d ranges of a thousand ids differ, the first from %d: %+v and %+v",
				table, differ, first*1000, a[table][first], b[table][first]))
		}
	}
	if len(a) != len(b) {
		errs = append(errs, fmt.Errorf("%d and %d tables", len(a), len(b)))
	}
	return errors.Join(errs...)
}

func both(a, b map[int64]idRange) map[int64]bool {
	keys := map[int64]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	return keys
}

func (c contents) rows() (n int64) {
	for _, table := range c {
		for _, s := range table {
			n += s.rows
		}
	}
	return n
}
