package repository_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// found reads all pages of a search.
func found(t *testing.T, s *repository.Store, tenant, text string, limit int) []jobs.Client {
	t.Helper()
	var all []jobs.Client
	f := jobs.ClientSearch{TenantID: tenant, Text: text, Page: jobs.Page{Limit: limit}}
	for {
		l, err := s.Clients(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l.Items...)
		if len(l.Items) > limit+1 {
			t.Errorf("a page of %d has %d clients", limit, len(l.Items))
		}
		if f.Cursor = l.Next; f.Cursor == "" {
			return all
		}
	}
}

func ids(all []jobs.Client) []string {
	keys := make([]string, len(all))
	for i, c := range all {
		keys[i] = c.ClientID
	}
	return keys
}

func byNumber(keys []string) []string {
	slices.SortFunc(keys, func(a, b string) int { return number(a) - number(b) })
	return keys
}

// namesake gives some clients of studio 1 a name that nobody else has.
func namesake(t *testing.T, db *bookingdb.DB, n int) []string {
	t.Helper()
	keys := byNumber(db.Clients(t, 1, 200)[100 : 100+n])
	db.Exec(t, "UPDATE clients SET first_name = 'Jean_Luc', last_name = 'O''Brien-100% ÉTÉ' WHERE id = ANY($1::text[]::bigint[])", keys)
	return keys
}

func withTrigrams(t *testing.T, db *bookingdb.DB) {
	t.Helper()
	if db.Int(t, "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'") == 0 {
		t.Skip("this server has no pg_trgm")
	}
	db.Exec(t, "CREATE EXTENSION pg_trgm")
	db.Exec(t, "CREATE INDEX ON clients USING gin (lower(first_name) gin_trgm_ops, lower(last_name) gin_trgm_ops)")
}

func TestASearchFindsEachWordInTheNameWithAndWithoutAnIndex(t *testing.T) {
	t.Parallel()
	for _, indexed := range []bool{false, true} {
		t.Run("indexed "+strconv.FormatBool(indexed), func(t *testing.T) {
			t.Parallel()
			db := bookingdb.New(t, 1000)
			if indexed {
				withTrigrams(t, db)
			}
			s := open(t, db, func(o *repository.Options) { o.URL = db.APIURL })
			want := namesake(t, db, 7)
			db.Exec(t, "UPDATE clients SET first_name = 'Jean_Luc' WHERE id = (SELECT min(id) FROM clients WHERE studio_id = 2)")
			for _, text := range []string{"jean_luc", "brien-100%", "Été  LUC", "o'b", "n_l 0%"} {
				if got := ids(found(t, s, "1", text, 3)); !slices.Equal(got, want) {
					t.Errorf("%q finds %v, want %v", text, got, want)
				}
			}
			for _, text := range []string{"jeanxluc", "luc nobody", "100_", `\`, "%%"} {
				if got := found(t, s, "1", text, 3); len(got) > 0 {
					t.Errorf("%q finds %v", text, ids(got))
				}
			}
			first := found(t, s, "1", want[3], 3)
			if len(first) == 0 || first[0].ClientID != want[3] || first[0].Name == "" || first[0].CreatedAt == nil {
				t.Errorf("the key finds %+v", first)
			}
			if got := found(t, s, "2", want[3], 3); len(got) > 0 {
				t.Errorf("another tenant finds %v", ids(got))
			}
		})
	}
}

func TestASearchForNothingListsAllClientsByKeyAndNoAnonymousProfile(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	accept(t, s, "1", db.Clients(t, 1, 20))
	work(t, s, 20) // makes a profile
	want := byNumber(db.Strings(t, "SELECT id::text FROM clients WHERE studio_id = 1 AND NOT is_anonymous"))
	if got := ids(found(t, s, "1", "", 17)); !slices.Equal(got, want) {
		t.Errorf("%d clients, want %d", len(got), len(want))
	}
}

func TestACursorOfAClientListHidesTheKeyAndIsNotAcceptedElsewhere(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	l, err := s.Clients(t.Context(), jobs.ClientSearch{TenantID: "1", Page: jobs.Page{Limit: 3}})
	if err != nil || l.Next == "" {
		t.Fatalf("%+v, %v", l, err)
	}
	if strings.Contains(l.Next, l.Items[2].ClientID) && len(l.Items[2].ClientID) > 3 {
		t.Errorf("the cursor %s shows the key %s", l.Next, l.Items[2].ClientID)
	}
	for _, cursor := range []string{"7", l.Next + "x", "0199b4a2-7c1e-7d53-9a1f-00000000abcd"} {
		if _, err := s.Clients(t.Context(), jobs.ClientSearch{TenantID: "1", Page: jobs.Page{Limit: 3,
			Cursor: cursor}}); codeOf(err) != "bad_cursor" {
			t.Errorf("cursor %s: %v", cursor, err)
		}
	}
	long := strings.Repeat("a b ", 9)
	if _, err := s.Clients(t.Context(), jobs.ClientSearch{TenantID: "1", Text: long,
		Page: jobs.Page{Limit: 3}}); codeOf(err) != "bad_search" {
		t.Errorf("a search of 18 words: %v", err)
	}
}

func TestAClientsRowsAreThoseThatAnErasureTouchesAndTheGuardsDecide(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db, func(o *repository.Options) { o.URL = db.APIURL })
	seen := map[jobs.Erasable]int{}
	for _, key := range db.Clients(t, 1, 60) {
		c, err := s.Client(t.Context(), "1", key)
		if err != nil {
			t.Fatal(err)
		}
		seen[c.Erasable]++
		for table, count := range map[string]string{
			"appointments": "SELECT count(*) FROM appointments WHERE client_id = $1::text::bigint",
			"messages":     "SELECT count(*) FROM messages WHERE client_id = $1::text::bigint",
			"addresses":    "SELECT count(address_id) FROM clients WHERE id = $1::text::bigint",
			"invoice_lines": `SELECT count(*) FROM invoice_lines WHERE invoice_id IN (
				SELECT id FROM invoices WHERE client_id = $1::text::bigint)`,
			"audit_log": "SELECT count(*) FROM audit_log WHERE subject_type = 'Client' AND subject_id = $1::text::bigint",
			"clients":   "SELECT count(*) FROM clients WHERE id = $1::text::bigint OR referred_by = $1::text::bigint",
		} {
			if n := db.Int(t, count, key); int64(n) != c.Rows[table] {
				t.Errorf("client %s: %d rows of %s, want %d", key, c.Rows[table], table, n)
			}
		}
		if (c.Erasable == jobs.ErasableNow) != (c.Code == "") || (c.Erasable == jobs.ErasableLater) != (c.Until != nil) {
			t.Errorf("client %s: %+v", key, c)
		}
	}
	for _, e := range []jobs.Erasable{jobs.ErasableNow, jobs.ErasableLater, jobs.ErasableNever} {
		if seen[e] == 0 {
			t.Errorf("no client of the sample is erasable %s: %v", e, seen)
		}
	}
	key := db.Clients(t, 1, 1)[0]
	for _, missing := range [][2]string{{"2", key}, {"1", "0"}, {"1", "x'y"}, {"1", ""}} {
		if _, err := s.Client(t.Context(), missing[0], missing[1]); jobs.KindOf(err) != jobs.Missing {
			t.Errorf("client %s of tenant %s: %v", missing[1], missing[0], err)
		}
	}
}

func TestWhatAClientPageSaysIsWhatAnErasureDoes(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	keys := db.Clients(t, 1, 50)
	said := map[string]jobs.ClientDetail{}
	for _, key := range keys {
		c, err := s.Client(t.Context(), "1", key)
		if err != nil {
			t.Fatal(err)
		}
		said[key] = c
	}
	j := accept(t, s, "1", keys)
	work(t, s, 50)
	l, err := s.Exceptions(t.Context(), jobs.ExceptionFilter{Kind: jobs.Erasure, JobID: j.ID, TenantID: "1", Page: jobs.Page{Limit: 100}})
	if err != nil {
		t.Fatal(err)
	}
	outcome := map[string]jobs.Exception{}
	for _, e := range l.Items {
		outcome[e.ClientID] = e
	}
	for key, c := range said {
		e := outcome[key]
		want := map[jobs.Erasable]jobs.Outcome{"now": "", "later": jobs.ErasedRetained, "never": jobs.Skipped}[c.Erasable]
		if e.Outcome != want || e.Code != c.Code || (c.Until == nil) != (e.RetainedUntil == nil) {
			t.Errorf("client %s was said to be %+v, and the outcome is %+v", key, c, e)
		}
	}
}

func TestAMissingRightOfTheAPIsRoleIsSaidWithWhatToRun(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db, func(o *repository.Options) { o.URL = db.APIURL })
	key := db.Clients(t, 1, 1)[0]
	db.Exec(t, "DO $$ BEGIN EXECUTE format('REVOKE SELECT ON messages FROM %I', $q$"+db.Strings(t,
		"SELECT grantee FROM information_schema.role_table_grants WHERE table_name = 'messages' AND privilege_type = 'SELECT'"+
			" AND grantee LIKE '%api%' LIMIT 1")[0]+"$q$); END $$")
	if _, err := s.Client(t.Context(), "1", key); codeOf(err) != jobs.CodeOperator || jobs.KindOf(err) != jobs.Unavailable {
		t.Errorf("got %v", err)
	}
}
