package repository_test

import (
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/testdb"
	"github.com/oubli/oubli/repository"
)

// Rows are named by whatever names them: a key of several columns and of any
// type, across partitions, or, without a key, their place.
func TestASweepFindsRowsByWhateverKeyTheyHave(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, bookingdb.Control)
	for _, sql := range []string{
		"CREATE TABLE clients (id text PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL)",
		`CREATE TABLE bills (
			series varchar(9),
			issued timestamp,
			no numeric(6, 2),
			client text NOT NULL REFERENCES clients,
			payer text,
			PRIMARY KEY (series, issued, no)
		) PARTITION BY RANGE (issued)`,
		"CREATE TABLE bills_old PARTITION OF bills FOR VALUES FROM (MINVALUE) TO ('2012-01-01')",
		"CREATE TABLE bills_new PARTITION OF bills DEFAULT",
		"CREATE TABLE slips (client text REFERENCES clients, printed date, name text) PARTITION BY HASH (client)",
		"CREATE TABLE slips_0 PARTITION OF slips FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
		"CREATE TABLE slips_1 PARTITION OF slips FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
		"INSERT INTO clients VALUES ('nobody', ''), ('no one', ''), ('Anna', 'Anna')",
		"INSERT INTO oubli.anonymous_profiles VALUES ('-', 1, 'nobody'), ('-', 2, 'no one')",
		`INSERT INTO bills
		SELECT 'it''s ' || i % 3, '2011-01-01'::timestamp + i * interval '12 hours 0.000001 seconds', i + 0.25,
		  CASE i % 3 WHEN 0 THEN 'Anna' WHEN 1 THEN 'nobody' ELSE 'no one' END, 'Anna ' || i
		FROM generate_series(0, 1499) AS i`,
		`INSERT INTO slips
		SELECT CASE i % 3 WHEN 0 THEN 'Anna' WHEN 1 THEN 'nobody' ELSE 'no one' END, date '2011-01-01' + i, 'Anna ' || i
		FROM generate_series(0, 1499) AS i`,
		"INSERT INTO slips VALUES ('nobody', NULL, 'Anna'), ('nobody', 'infinity', 'Anna for ever'), ('nobody', '-infinity', 'Anna')",
		// One of each is refused.
		"ALTER TABLE bills ADD CONSTRAINT payer CHECK (payer IS NOT NULL OR no <> 7.25)",
		"ALTER TABLE slips ADD CONSTRAINT name CHECK (name <> '' OR printed <> '2011-01-08')",
	} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	m, err := erasuremap.Parse("map.yaml", []byte(`version: 1
client: {table: clients, key: id, erase: delete, anonymous: {name: {value: ""}}}
tables:
  - table: bills
    reference: client
    erase: reassign
    columns: {series: keep}
    retain: {rule: bill, since: issued, columns: {payer: null}}
  - {table: slips, reference: client, erase: reassign, retain: {rule: slip, since: printed, columns: {name: {value: ""}}}}
retention:
  bill: {clock: issue_date, otherwise: 2}
  slip: {clock: end_of_year, otherwise: 1}
`))
	if err != nil {
		t.Fatal(err)
	}
	s, err := repository.Open(t.Context(), repository.Options{URL: testdb.URL(t, db), Map: m})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	on := func(day string) {
		t.Helper()
		o := repository.Options{URL: testdb.URL(t, db), Map: m}
		atMoment(dayOf(t, day).AddDate(0, 0, 1))(&o) // where it begins last, it is still the day
		s, err := repository.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		swept, err := s.SweepRetained(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range swept {
			if len(table.Refused) != 1 {
				t.Errorf("on %s: %+v", day, table)
			}
		}
	}
	count := func(sql string, want int) {
		t.Helper()
		var n int
		if err := db.QueryRow(t.Context(), "SELECT count(*) FROM "+sql).Scan(&n); err != nil || n != want {
			t.Errorf("%s: %d, %v, want %d", sql, n, err, want)
		}
	}
	on("2013-12-31")
	count("bills WHERE client = 'Anna' AND payer IS NOT NULL", 500)
	count("bills WHERE client <> 'Anna' AND payer IS NOT NULL AND issued < '2011-12-31'", 1)
	count("bills WHERE client <> 'Anna' AND payer IS NULL AND issued >= '2011-12-31'", 0)
	count("slips WHERE client = 'Anna' AND name <> ''", 500)
	count("slips WHERE client <> 'Anna' AND name <> '' AND printed < '2013-01-01'", 366*2/3+1) // of 2012, in its last day, and the refused one
	count("slips WHERE client <> 'Anna' AND name <> '' AND printed = '-infinity'", 0)
	count("slips WHERE client <> 'Anna' AND name <> '' AND printed IS NULL", 0)
	on("2099-01-01")
	count("bills WHERE client <> 'Anna' AND payer IS NOT NULL", 1)
	count("slips WHERE client <> 'Anna' AND name <> ''", 2) // the refused one, and the one dated infinity
	r := retention(t, s, "whoever")
	if len(r.Kept) != 2 || r.Kept[0].Due != 1 || r.Kept[0].Cleared != 999 || r.Kept[1].Due != 1 ||
		len(r.Kept[1].Years) != 1 || r.Kept[1].Years[0].Year != 9801 {
		t.Errorf("%+v", r.Kept)
	}
}
