package booking

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// TableDigest is a digest of those rows of one table that an erasure must not
// change. Two TableDigests can be compared with ==.
type TableDigest struct {
	Table  string
	Rows   int64
	Digest string // over whole rows, independent of their order
}

// untouched selects, for each table, the rows of the other clients as text. The
// relation others contains the clients who are neither to be erased nor an
// anonymous profile.
var untouched = []struct{ table, rows string }{
	{"studios", `SELECT t::text FROM studios t`},
	{"staff", `SELECT t::text FROM staff t`},
	{"services", `SELECT t::text FROM services t`},
	{"class_sessions", `SELECT t::text FROM class_sessions t`},
	// A client who was recommended by an erased client loses that reference, and
	// the row's timestamp changes. Leave both out of every row that has no reference
	// to one of the others: afterwards, the two kinds of rows look the same.
	{"clients", `SELECT jsonb_strip_nulls(to_jsonb(t)
			|| CASE WHEN r.id IS NULL THEN '{"referred_by": null, "updated_at": null}'::jsonb ELSE '{}' END)::text
		FROM clients t JOIN others ON others.id = t.id LEFT JOIN others r ON r.id = t.referred_by`},
	{"addresses", `SELECT t::text FROM addresses t WHERE id IN (SELECT address_id FROM clients JOIN others USING (id))`},
	{"appointments", `SELECT t::text FROM appointments t JOIN others ON others.id = client_id`},
	{"participations", `SELECT t::text FROM participations t JOIN others ON others.id = client_id`},
	{"invoices", `SELECT t::text FROM invoices t JOIN others ON others.id = client_id`},
	{"invoice_lines", `SELECT t::text FROM invoice_lines t JOIN invoices i ON i.id = invoice_id JOIN others ON others.id = i.client_id`},
	{"client_notes", `SELECT t::text FROM client_notes t JOIN others ON others.id = client_id`},
	{"messages", `SELECT t::text FROM messages t JOIN others ON others.id = client_id`},
	{"consents", `SELECT t::text FROM consents t JOIN others ON others.id = client_id`},
	{"memberships", `SELECT t::text FROM memberships t JOIN others ON others.id = client_id`},
	{"audit_log", `SELECT t::text FROM audit_log t LEFT JOIN others ON others.id = subject_id
		WHERE subject_type <> 'Client' OR others.id IS NOT NULL`},
}

// UntouchedDigest returns a checksum for each table over all rows that belong
// neither to the given clients nor to an anonymous profile. They are the same
// before and after those clients are erased (invariant I2). It reads one snapshot.
func UntouchedDigest(ctx context.Context, db DB, erasedIDs []int64) ([]TableDigest, error) {
	var digests []TableDigest
	err := inPublic(ctx, db, "digest of untouched rows", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"); err != nil {
			return err
		}
		var b pgx.Batch
		for _, of := range untouched {
			query := fmt.Sprintf(`
				WITH others AS MATERIALIZED (
					SELECT id FROM clients WHERE NOT is_anonymous AND NOT EXISTS (
						SELECT FROM unnest($1::bigint[]) AS erased (id) WHERE erased.id = clients.id)
				)
				SELECT '%s', count(*), coalesce(sum(hashtextextended(content, 0)), 0)::text FROM (%s) AS untouched (content)`, of.table, of.rows)
			b.Queue(query, erasedIDs).QueryRow(func(found pgx.Row) error {
				var d TableDigest
				err := found.Scan(&d.Table, &d.Rows, &d.Digest)
				digests = append(digests, d)
				return err
			})
		}
		return tx.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return nil, err
	}
	return digests, nil
}
