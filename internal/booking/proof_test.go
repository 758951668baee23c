package booking_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/testdb"
)

func mustTotals(t *testing.T, db *pgxpool.Pool) []booking.StudioTotals {
	t.Helper()
	totals, err := booking.Totals(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return totals
}

func mustTraces(t *testing.T, db *pgxpool.Pool, ids ...int64) map[string]int64 {
	t.Helper()
	traces, err := booking.Traces(t.Context(), db, ids)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]int64)
	for _, trace := range traces {
		found[trace.Table+"."+trace.Column] = trace.Count
	}
	return found
}

func mustDigest(t *testing.T, db *pgxpool.Pool, erased []int64) []booking.TableDigest {
	t.Helper()
	digest, err := booking.UntouchedDigest(t.Context(), db, erased)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestTotalsAreTheSumsOfTheTables(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, few)
	totals := mustTotals(t, db)
	if len(totals) != 5 {
		t.Fatalf("totals of %d studios, want 5", len(totals))
	}
	const (
		appointments   = "FROM appointments WHERE studio_id = $1"
		participations = "FROM participations JOIN class_sessions s ON s.id = session_id WHERE studio_id = $1"
		invoices       = "FROM invoices WHERE studio_id = $1"
		lines          = "FROM invoice_lines JOIN invoices i ON i.id = invoice_id WHERE studio_id = $1"
	)
	for _, s := range totals {
		for sql, got := range map[string]int64{
			"SELECT count(*) " + appointments:                     s.Appointments,
			"SELECT sum(price_cents)::bigint " + appointments:     s.AppointmentCents,
			"SELECT count(*) " + participations:                   s.Participations,
			"SELECT sum(price_cents)::bigint " + participations:   s.ParticipationCents,
			"SELECT sum(paid_cents)::bigint " + participations:    s.PaidCents,
			"SELECT count(DISTINCT session_id) " + participations: s.Sessions,
			"SELECT count(*) " + invoices:                         s.Invoices,
			"SELECT sum(total_cents)::bigint " + invoices:         s.InvoiceCents,
			"SELECT sum(amount_cents)::bigint " + lines:           s.InvoiceLineCents,
			"SELECT count(*) " + lines:                            s.InvoiceLines,
		} {
			if want := mustScan[int64](t, db, sql, s.StudioID); got != want || want == 0 {
				t.Errorf("studio %d: got %d, want %d: %s", s.StudioID, got, want, sql)
			}
		}
		if s.InvoiceCents != s.InvoiceLineCents {
			t.Errorf("studio %d: invoices of %d cents have lines of %d", s.StudioID, s.InvoiceCents, s.InvoiceLineCents)
		}
	}
}

func TestTheChecksumNoticesChangesThatLeaveTheSumsEqual(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"an appointment on another day": "UPDATE appointments SET starts_at = starts_at + interval '1 day' WHERE id = 1",
		"a participant in another class": `UPDATE participations SET session_id = (
			SELECT o.id FROM class_sessions s JOIN class_sessions o ON o.studio_id = s.studio_id AND o.id > s.id WHERE s.id = session_id
			    AND NOT EXISTS (
			      SELECT FROM participations p
			      WHERE p.session_id = o.id AND p.client_id = participations.client_id) LIMIT 1) WHERE id = 1`,
		"an invoice that became void": "UPDATE invoices SET status = 'void' WHERE id = (SELECT min(id) FROM invoices WHERE status = 'paid')",
		"two prices swapped": `UPDATE invoices SET total_cents = total_cents + CASE id WHEN 1 THEN 1 ELSE -1 END
			WHERE id IN (1, (
			  SELECT id FROM invoices i
			  WHERE studio_id = (SELECT studio_id FROM invoices WHERE id = 1)
			    AND issued_on <> (SELECT issued_on FROM invoices WHERE id = 1) LIMIT 1))`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := testdb.New(t, few)
			before := mustTotals(t, db)
			if mustExec(t, db, sql) == 0 {
				t.Fatal("nothing was changed")
			}
			if slices.Equal(before, mustTotals(t, db)) {
				t.Error("the totals are the same")
			}
		})
	}
}

func TestTracesAreFoundInEveryColumnWithDataOfAClient(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, few)
	mustExec(t, db, `CREATE TABLE "Odd ""things"" 'here'" (bin bytea, list text[], j json, x int4range)`)
	mustExec(t, db, `INSERT INTO "Odd ""things"" 'here'" VALUES (
		convert_to($1, 'UTF8'), ARRAY['', upper($1)], json_build_array(json_build_object('k', $1::text)), NULL)`, booking.Marker(5))
	mustExec(t, db, "CREATE MATERIALIZED VIEW report AS SELECT upper(last_name) AS who FROM clients")
	all := mustColumn[int64](t, db, "SELECT id FROM clients")
	found := mustTraces(t, db, all...)
	for _, column := range []string{
		"clients.last_name", "clients.email", "clients.phone", "clients.notes", "addresses.street",
		"appointments.client_name", "appointments.note", "participations.comment",
		"invoices.billing_name", "invoices.billing_address", "invoices.billing_email",
		"client_notes.body", "messages.recipient", "messages.body", "consents.ip", "consents.wording",
		"memberships.card_number", "audit_log.data", "report.who",
		`Odd "things" 'here'.bin`, `Odd "things" 'here'.list`, `Odd "things" 'here'.j`,
	} {
		if found[column] == 0 {
			t.Errorf("no trace in %s", column)
		}
		delete(found, column)
	}
	for column := range found {
		t.Errorf("traces in %s, which is not in this test's list", column)
	}
	if n := mustTraces(t, db, all...)["clients.last_name"]; n != 600 {
		t.Errorf("%d surnames contain a marker, want 600", n)
	}
	if found := mustTraces(t, db, 601, 99_999_999); len(found) > 0 {
		t.Errorf("traces of clients who do not exist: %v", found)
	}
	if found := mustTraces(t, db); len(found) > 0 {
		t.Errorf("traces although no client was asked for: %v", found)
	}
}

func TestTracesOfOneClientAreCounted(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, few)
	for _, id := range []int64{1, 42, 600} {
		found := mustTraces(t, db, id)
		for column, sql := range map[string]string{
			"appointments.client_name": "SELECT count(*) FROM appointments WHERE client_id = $1",
			"invoices.billing_name":    "SELECT count(*) FROM invoices WHERE client_id = $1",
			"client_notes.body":        "SELECT count(*) FROM client_notes WHERE client_id = $1",
			"consents.ip":              "SELECT count(*) FROM consents WHERE client_id = $1",
			"messages.body":            "SELECT count(*) FROM messages WHERE client_id = $1",
			"clients.phone":            "SELECT count(phone) FROM clients WHERE id = $1",
		} {
			if want := mustScan[int64](t, db, sql, id); found[column] != want {
				t.Errorf("client %d: %d traces in %s, want %d", id, found[column], column, want)
			}
		}
	}
}

func TestAnErasureByHandLeavesTracesInRetainedColumnsOnly(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, few)
	ids := someIDs(t, db)
	totals, others := mustTotals(t, db), mustDigest(t, db, ids)
	mustErase(t, db, ids)

	traces, err := booking.Traces(t.Context(), db, ids)
	if err != nil {
		t.Fatal(err)
	}
	if len(traces) != 3 {
		t.Errorf("traces in %d columns, want the three that are retained", len(traces))
	}
	for _, trace := range traces {
		if !trace.Retained() {
			t.Errorf("%d traces in %s.%s", trace.Count, trace.Table, trace.Column)
		}
	}
	for i, s := range mustTotals(t, db) {
		if s != totals[i] {
			t.Errorf("totals changed:\n%+v\n%+v", totals[i], s)
		}
	}
	for i, d := range mustDigest(t, db, ids) {
		if d != others[i] {
			t.Errorf("rows of clients who were not erased changed: %+v, %+v", others[i], d)
		}
	}
}

func TestTheDigestNoticesAChangeToAnotherClient(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, few)
	ids := someIDs(t, db)
	before := mustDigest(t, db, ids)
	for table, sql := range map[string]string{
		"clients":      "UPDATE clients SET notes = 'seen' WHERE id = (SELECT min(id) FROM clients WHERE id <> ALL ($1))",
		"addresses":    "UPDATE addresses SET city = '' WHERE id = (SELECT min(address_id) FROM clients WHERE id <> ALL ($1))",
		"appointments": "UPDATE appointments SET note = 'seen' WHERE id = (SELECT min(id) FROM appointments WHERE client_id <> ALL ($1))",
		"participations": `UPDATE participations SET paid_cents = 1 - sign(paid_cents)
			WHERE id = (SELECT min(id) FROM participations WHERE client_id <> ALL ($1))`,
		"invoices": "UPDATE invoices SET billing_name = '' WHERE id = (SELECT min(id) FROM invoices WHERE client_id <> ALL ($1))",
		"invoice_lines": `DELETE FROM invoice_lines WHERE id = (
			SELECT min(l.id) FROM invoice_lines l JOIN invoices i ON i.id = invoice_id WHERE client_id <> ALL ($1))`,
		"client_notes": "DELETE FROM client_notes WHERE id = (SELECT min(id) FROM client_notes WHERE client_id <> ALL ($1))",
		"messages":     "DELETE FROM messages WHERE id = (SELECT min(id) FROM messages WHERE client_id <> ALL ($1))",
		"consents":     "UPDATE consents SET ip = NULL WHERE id = (SELECT min(id) FROM consents WHERE client_id <> ALL ($1))",
		"memberships":  "DELETE FROM memberships WHERE id = (SELECT min(id) FROM memberships WHERE client_id <> ALL ($1))",
		"audit_log": `UPDATE audit_log SET data = '{}' WHERE id = (
			SELECT min(id) FROM audit_log WHERE subject_type = 'Client' AND subject_id <> ALL ($1))`,
		"staff":          "UPDATE staff SET last_name = '' WHERE $1::bigint[] IS NOT NULL",
		"services":       "UPDATE services SET minutes = minutes + 1 WHERE $1::bigint[] IS NOT NULL",
		"class_sessions": "UPDATE class_sessions SET capacity = capacity + 1 WHERE $1::bigint[] IS NOT NULL",
		"studios":        "UPDATE studios SET name = name || '.' WHERE $1::bigint[] IS NOT NULL",
	} {
		if mustExec(t, db, sql, ids) == 0 {
			t.Fatalf("%s: nothing was changed", table)
		}
		after := mustDigest(t, db, ids)
		for i := range after {
			if changed := after[i] != before[i]; changed != (after[i].Table == table) {
				t.Errorf("changed %s, the digest of %s says changed: %t", table, after[i].Table, changed)
			}
		}
		before = after
	}
}

func TestTheDigestCoversEveryTable(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, few)
	var known []string
	for _, d := range mustDigest(t, db, nil) {
		known = append(known, d.Table)
	}
	for _, table := range mustColumn[string](t, db, `SELECT relname::text FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`) {
		if !slices.Contains(known, table) {
			t.Errorf("UntouchedDigest leaves out %s", table)
		}
	}
}

func TestNoTwoClientsShareAMarker(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^vez([b-df-hj-npr-tv-z][aeiou]){4}$`)
	seen := make(map[string]int64)
	for id := int64(1); id < booking.MaxClients; id += 1 + id/300 {
		m := booking.Marker(id)
		if !form.MatchString(m) {
			t.Fatalf("client %d has the marker %q", id, m)
		}
		if other, ok := seen[m]; ok {
			t.Fatalf("clients %d and %d share %q", id, other, m)
		}
		seen[m] = id
	}
}
