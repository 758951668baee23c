package mixing

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// exceptionsAtOnce is how many exceptions one transaction writes again.
const exceptionsAtOnce = 5000

// record ends the round for what was mixed: the control tables' rows are written
// again too, those of all jobs together and apart from the rows of which they tell,
// and the numbers of the small transactions are forgotten. What could not be mixed
// is tried again after retry, and its reason is stored.
func (r *round) record(ctx context.Context) error {
	var mixed []int64
	var of []string
	var waits []int64
	var clients []int
	reasons := map[string][]int64{}
	for _, g := range r.groups {
		for _, w := range g.waiting {
			why, left := g.outcome(w, r.refused)
			switch {
			case left || !g.mixed && w.rows > 0:
				waits, clients = append(waits, w.id), append(clients, w.clients)
			case why != "":
				reasons[why] = append(reasons[why], w.id)
			default:
				mixed = append(mixed, w.id)
				if w.job != nil {
					of = append(of, *w.job)
				}
			}
		}
	}
	if err := r.rewriteExceptions(ctx, of); err != nil {
		return err
	}
	if err := r.mixRetained(ctx); err != nil {
		return err
	}
	return r.fenced(ctx, "record mixed rows", func(tx pgx.Tx) error {
		for why, ids := range reasons {
			_, err := tx.Exec(ctx, `
				UPDATE oubli.residues SET mix_reason = $2, mix_after = now() + $3::interval WHERE id = ANY($1)`, ids, why, retry)
			if err != nil {
				return err
			}
		}
		// How many clients' rows wait is known only now.
		_, err := tx.Exec(ctx, `
			UPDATE oubli.residues AS r SET small_clients = n.clients
			FROM unnest($1::bigint[], $2::int[]) AS n(id, clients) WHERE r.id = n.id AND r.small_clients > n.clients`, waits, clients)
		if err != nil {
			return err
		}
		if err := r.rememberLarge(ctx, tx, of); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE oubli.tasks SET small_xids = '{}', small_times = '{}', small_clients = '{}', large_xid = NULL
			WHERE job_id = ANY($1::text[]::uuid[]) AND kind <> 'mail'`, of)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE oubli.residues SET mix = 'mixed', mixed_at = clock_timestamp(), mix_reason = '', small_xids = '{}', small_times = '{}'
			WHERE id = ANY($1)`, mixed)
		return err
	})
}

// outcome is why a residue's rows cannot be mixed; empty: they are. left says that
// some are to be mixed in another round, because somebody had locked them.
func (g *group) outcome(w *residue, refused map[string]string) (why string, left bool) {
	if w.triggerRows {
		why = "triggers wrote rows of other tables while clients were erased"
	}
	for _, xid := range w.xids {
		left = left || g.left[xid]
		if column := g.dated[xid]; column != "" {
			why = column + " tells when the row was erased"
		}
		for _, table := range g.tables[xid] {
			if reason := refused[table]; reason != "" {
				why = reason
			}
		}
	}
	return why, left && why == ""
}

// rewriteExceptions writes the exceptions of jobs again: a chunk wrote them in the
// transaction of the rows of which they tell, so they have its number.
func (r *round) rewriteExceptions(ctx context.Context, of []string) error {
	slices.Sort(of)
	job, client := "00000000-0000-0000-0000-000000000000", ""
	for more := len(of) > 0; more; {
		err := r.fenced(ctx, "write exceptions again", func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, `
				UPDATE oubli.exceptions AS e SET code = e.code
				FROM (SELECT job_id, client_id FROM oubli.exceptions
				      WHERE job_id = ANY($1::text[]::uuid[]) AND (job_id, client_id) > ($2::text::uuid, $3)
				      ORDER BY job_id, client_id LIMIT $4) AS next
				WHERE e.job_id = next.job_id AND e.client_id = next.client_id
				RETURNING e.job_id::text, e.client_id`, of, job, client, exceptionsAtOnce)
			if err != nil {
				return err
			}
			n := 0
			var j, c string
			_, err = pgx.ForEachRow(rows, []any{&j, &c}, func() error {
				if n++; j > job || j == job && c > client {
					job, client = j, c
				}
				return nil
			})
			more = n == exceptionsAtOnce
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rememberLarge lets the rows of the latest large transaction cover those of later
// small ones, where there is no mixture yet.
func (r *round) rememberLarge(ctx context.Context, tx pgx.Tx, of []string) error {
	for owner, g := range r.groups {
		if !g.mixed { // its rows may have gone
			_, err := tx.Exec(ctx, "UPDATE oubli.mixtures SET clients = $2 WHERE profile_owner = $1 AND clients > $2",
				owner, g.coverClients)
			if err != nil {
				return err
			}
		}
		var mine []string
		for _, w := range g.waiting {
			if w.job != nil && slices.Contains(of, *w.job) {
				mine = append(mine, *w.job)
			}
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO oubli.mixtures (profile_owner, xids, clients)
			SELECT $1, ARRAY[large_xid], large_xid_clients FROM oubli.tasks
			WHERE job_id = ANY($2::text[]::uuid[]) AND large_xid IS NOT NULL
			ORDER BY large_xid DESC LIMIT 1
			ON CONFLICT DO NOTHING`, owner, mine)
		if err != nil {
			return err
		}
	}
	return nil
}

// smallRecord is how many rows a record of retained rows lists that is mixed with all
// other small ones. A record has at most twice as many.
const smallRecord = 500

// mixRetainedSQL makes records with rows of many clients of the small ones, each of
// which lists the rows of one transaction, and of one larger record of each table, in
// which rows of many clients are already.
const mixRetainedSQL = `
WITH small AS (
  DELETE FROM oubli.retained_rows WHERE tenant_id = ANY($1) AND cardinality(rows) < $2
  RETURNING tenant_id, table_name, reference, rows, days),
larger AS (
  DELETE FROM oubli.retained_rows WHERE id IN (
    SELECT DISTINCT ON (tenant_id, table_name, reference) id FROM oubli.retained_rows
    WHERE tenant_id = ANY($1) AND cardinality(rows) >= $2
    ORDER BY tenant_id, table_name, reference, random())
  RETURNING tenant_id, table_name, reference, rows, days),
one AS (
  SELECT t.tenant_id, t.table_name, t.reference, u.id, max(u.day) AS day
  FROM (SELECT * FROM small UNION ALL SELECT * FROM larger) AS t CROSS JOIN LATERAL unnest(t.rows, t.days) AS u(id, day)
  GROUP BY 1, 2, 3, 4),
drawn AS (
  SELECT *, row_number() OVER (PARTITION BY tenant_id, table_name, reference ORDER BY random()) - 1 AS n,
    count(*) OVER (PARTITION BY tenant_id, table_name, reference) AS of
  FROM one)
INSERT INTO oubli.retained_rows (tenant_id, table_name, reference, rows, days)
SELECT tenant_id, table_name, reference, array_agg(id ORDER BY id), array_agg(day ORDER BY id)
FROM drawn GROUP BY tenant_id, table_name, reference, n * ((of + 2 * $2 - 1) / (2 * $2)) / of`

// mixRetained makes the records of retained rows tell no more which rows were of one
// client. A chunk wrote them in the transaction of the rows that they list.
func (r *round) mixRetained(ctx context.Context) error {
	for _, owner := range slices.Sorted(maps.Keys(r.groups)) {
		g := r.groups[owner]
		if !g.mixed {
			continue
		}
		err := r.fenced(ctx, "mix the records of retained rows", func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, mixRetainedSQL, g.tenants, smallRecord)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
