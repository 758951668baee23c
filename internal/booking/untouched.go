package booking

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// TableDigest is the rows of one table that an erasure must leave alone. Two of
// them can be compared with ==.
type TableDigest struct {
	Table  string
	Rows   int64
	Digest string // over whole rows, independent of their order
}

// bystanders selects, for each table, the rows of everyone else as text. The
// relation mine holds the clients who are neither to be erased nor an anonymous
// profile.
var bystanders = []struct{ table, rows string }{
	{"studios", `SELECT t::text FROM studios t`},
	{"staff", `SELECT t::text FROM staff t`},
	{"services", `SELECT t::text FROM services t`},
	{"class_sessions", `SELECT t::text FROM class_sessions t`},
	// Who was recommended by somebody erased loses that link, and the row's
	// timestamp moves: both are taken out of every such row alike, because
	// afterwards nothing tells it from a row that never had one.
	{"clients", `SELECT jsonb_strip_nulls(to_jsonb(t)
			|| CASE WHEN r.id IS NULL THEN '{"referred_by": null, "updated_at": null}'::jsonb ELSE '{}' END)::text
		FROM clients t JOIN mine ON mine.id = t.id LEFT JOIN mine r ON r.id = t.referred_by`},
	{"addresses", `SELECT t::text FROM addresses t WHERE id IN (SELECT address_id FROM clients JOIN mine USING (id))`},
	{"appointments", `SELECT t::text FROM appointments t JOIN mine ON mine.id = client_id`},
	{"participations", `SELECT t::text FROM participations t JOIN mine ON mine.id = client_id`},
	{"invoices", `SELECT t::text FROM invoices t JOIN mine ON mine.id = client_id`},
	{"invoice_lines", `SELECT t::text FROM invoice_lines t JOIN invoices i ON i.id = invoice_id JOIN mine ON mine.id = i.client_id`},
	{"client_notes", `SELECT t::text FROM client_notes t JOIN mine ON mine.id = client_id`},
	{"messages", `SELECT t::text FROM messages t JOIN mine ON mine.id = client_id`},
	{"consents", `SELECT t::text FROM consents t JOIN mine ON mine.id = client_id`},
	{"memberships", `SELECT t::text FROM memberships t JOIN mine ON mine.id = client_id`},
	{"audit_log", `SELECT t::text FROM audit_log t LEFT JOIN mine ON mine.id = subject_id WHERE subject_type <> 'Client' OR mine.id IS NOT NULL`},
}

// UntouchedDigest is a checksum, for each table, over everything that belongs to
// none of the given clients and to no anonymous profile: what is the same before
// and after those clients are erased (invariant I2). It reads one snapshot.
func UntouchedDigest(ctx context.Context, db DB, erasedIDs []int64) ([]TableDigest, error) {
	var digests []TableDigest
	err := inPublic(ctx, db, "digest of the untouched", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"); err != nil {
			return err
		}
		var b pgx.Batch
		for _, of := range bystanders {
			query := fmt.Sprintf(`
				WITH mine AS MATERIALIZED (
					SELECT id FROM clients WHERE NOT is_anonymous AND NOT EXISTS (
						SELECT FROM unnest($1::bigint[]) AS erased (id) WHERE erased.id = clients.id)
				)
				SELECT '%s', count(*), coalesce(sum(hashtextextended(content, 0)), 0)::text FROM (%s) AS bystanders (content)`, of.table, of.rows)
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
