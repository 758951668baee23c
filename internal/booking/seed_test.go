package booking_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/testdb"
)

func TestTheSameSeedWritesTheSameRows(t *testing.T) {
	t.Parallel()
	written := func(seed uint64) ([]booking.TableDigest, booking.Summary) {
		db := testdb.New(t)
		if err := booking.Install(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		sum, err := booking.Seed(t.Context(), db, booking.Options{Seed: seed, Clients: 90, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		digest, err := booking.UntouchedDigest(t.Context(), db, nil)
		if err != nil {
			t.Fatal(err)
		}
		return digest, sum
	}
	first, sum := written(1)
	again, _ := written(1)
	other, _ := written(2)
	for i := range first {
		if first[i] != again[i] {
			t.Errorf("seed 1 wrote two different %s: %+v, %+v", first[i].Table, first[i], again[i])
		}
	}
	if slices.Equal(first, other) {
		t.Error("seeds 1 and 2 wrote the same rows")
	}
	if sum.Clients != 90 || len(sum.Studios) != 4 {
		t.Errorf("want 90 clients in 4 studios, got %+v", sum)
	}
}

// A test that passes today must not fail on another day because its data changed.
func TestClientsAreNearlyTheSameOnAnotherDay(t *testing.T) {
	t.Parallel()
	const who = `SELECT string_agg(concat_ws(' ', id, studio_id, first_name, last_name, email, phone, address_id, group_name,
		balance_cents, legal_hold, referred_by), E'\n' ORDER BY id) FROM clients`
	const what = `SELECT (SELECT count(*) FROM appointments) + (SELECT count(*) FROM invoices)
		+ (SELECT count(*) FROM messages) + (SELECT count(*) FROM participations)`
	var clients string
	var least, most int
	for _, later := range []time.Duration{0, time.Hour, 24 * time.Hour, 45 * 24 * time.Hour} {
		db := testdb.New(t)
		if err := booking.Install(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		if _, err := booking.Seed(t.Context(), db, booking.Options{Seed: 1, Clients: 300, Now: now.Add(later)}); err != nil {
			t.Fatal(err)
		}
		var text string
		var rows int
		if err := db.QueryRow(t.Context(), who).Scan(&text); err != nil {
			t.Fatal(err)
		}
		if err := db.QueryRow(t.Context(), what).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		if clients == "" {
			clients, least, most = text, rows, rows
		}
		if text != clients {
			t.Errorf("%s later the clients are different", later)
		}
		least, most = min(least, rows), max(most, rows)
	}
	if most-least > least/50 {
		t.Errorf("the number of rows goes from %d to %d, depending on the day", least, most)
	}
}

func TestSeedCountsWhatItWrote(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	if err := booking.Install(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	var reported []int64
	sum, err := booking.Seed(t.Context(), db, booking.Options{Seed: 3, Clients: 1_500, Studios: 3, Now: now,
		Progress: func(done, total int64) {
			if total != 1_500 {
				t.Errorf("progress of %d, want 1500", total)
			}
			reported = append(reported, done)
		}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(reported) || len(reported) == 0 || reported[len(reported)-1] != 1_500 {
		t.Errorf("progress was %v, want it to end with 1500", reported)
	}
	for _, c := range []struct {
		what string
		got  int64
		want string
	}{
		{"LegalHold", sum.LegalHold, "legal_hold"},
		{"UnpaidBalance", sum.UnpaidBalance, "balance_cents <> 0"},
		{"OpenInvoice", sum.OpenInvoice, "EXISTS (SELECT FROM invoices i WHERE i.client_id = c.id AND i.status = 'open')"},
		{"FutureAppointment", sum.FutureAppointment, `EXISTS (
			SELECT FROM appointments a WHERE a.client_id = c.id AND a.starts_at > $1 AND a.status = 'booked')`},
		{"Inactive", sum.Inactive, `NOT EXISTS (
			SELECT FROM appointments a WHERE a.client_id = c.id AND a.starts_at >= $1::timestamptz - interval '1 year')`},
	} {
		want := mustScan[int64](t, db, "SELECT count(*) FROM clients c WHERE $1::timestamptz IS NOT NULL AND "+c.want, now)
		if c.got != want {
			t.Errorf("%s: got %d, the database has %d", c.what, c.got, want)
		}
		if c.what != "Inactive" && (want == 0 || want > 1_500/10) {
			t.Errorf("%s holds for %d of 1500 clients, want a few per cent", c.what, want)
		}
	}
	if sum.Inactive < 1_500/3 || sum.Inactive > 1_500/2 {
		t.Errorf("%d of 1500 clients are inactive, want somewhat more than a third", sum.Inactive)
	}
	var rows int64
	for _, table := range mustColumn[string](t, db, `SELECT oid::regclass::text FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`) {
		rows += mustScan[int64](t, db, "SELECT count(*) FROM "+table)
	}
	if rows != sum.Rows {
		t.Errorf("Rows: got %d, the database has %d", sum.Rows, rows)
	}
}

func TestClassesAreOfOneStudioAndOfUsualSize(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, many)
	odd := mustScan[int64](t, db, `SELECT count(*) FROM (
		SELECT FROM participations p JOIN clients c ON c.id = p.client_id JOIN class_sessions s ON s.id = p.session_id
		GROUP BY s.id HAVING count(*) NOT BETWEEN 6 AND 12 OR bool_or(c.studio_id <> s.studio_id)) AS odd`)
	if odd > 0 {
		t.Errorf("%d classes have fewer than 6 or more than 12 participants, or clients of another studio", odd)
	}
	shared := mustScan[int64](t, db, `SELECT count(*) FROM (
		SELECT FROM participations p WHERE NOT EXISTS (
			SELECT FROM appointments a WHERE a.client_id = p.client_id AND a.starts_at >= $1::timestamptz - interval '1 year')
		GROUP BY session_id HAVING count(*) > 1) AS shared`, now)
	if shared < 100 {
		t.Errorf("inactive clients share %d classes, want many", shared)
	}
}

func TestASeededDatabaseTakesTheNextClient(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, few)
	id := mustScan[int64](t, db, "INSERT INTO clients (studio_id, first_name) VALUES (1, 'Nouvelle') RETURNING id")
	if id != 601 {
		t.Errorf("the client after 600 is %d, want 601", id)
	}
	mustExec(t, db, `INSERT INTO messages (client_id, sent_at, channel, recipient, body)
		VALUES ($1, $2, 'email', 'a@example.org', '')`, id, now.AddDate(3, 0, 0))
}

func TestSeedRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, few)
	for want, o := range map[string]booking.Options{
		"already has":   {Clients: 10},
		"Clients: ":     {Clients: -1},
		"Clients: want": {Clients: booking.MaxClients},
		"Studios: ":     {Clients: 3, Studios: 4},
	} {
		if _, err := booking.Seed(t.Context(), db, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want an error with %q", o, err, want)
		}
	}
}
