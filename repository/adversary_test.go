package repository_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
)

// adversary may read every column of every table, system columns and oubli's own
// tables included, and tries to tell which kept rows were of one client. It also
// knows every row as it was before anybody was erased, so it looks at nothing but
// what erasing has written.
type adversary struct {
	db     *bookingdb.DB
	tables []string
	truth  map[string]string            // client, by table and row
	before map[string]map[string]string // columns, by table and row
}

// keptRow is one row as the adversary sees it after clients were erased.
type keptRow struct {
	name, table, client string
	tokens              []string // what it has in common with other rows
	xmin, page, at      int      // where it is
	cmin                int
}

// watch remembers whose rows are whose. of gives, for each table, the SQL that says
// whose a row is.
func watch(t *testing.T, db *bookingdb.DB, of map[string]string, clients []string) *adversary {
	t.Helper()
	a := &adversary{db: db, truth: map[string]string{}, before: map[string]map[string]string{}}
	a.tables = slices.Sorted(maps.Keys(of))
	for _, table := range a.tables {
		query := fmt.Sprintf("SELECT concat_ws(' ', t.id, %s) FROM %s AS t WHERE %[1]s::text = ANY($1)", of[table], table)
		for _, line := range db.Strings(t, query, clients) {
			id, client, _ := strings.Cut(line, " ")
			a.truth[table+" "+id] = client
		}
		for name, columns := range a.columns(t, table) {
			a.before[name] = columns
		}
	}
	return a
}

// columns reads all rows that were of the clients, with their system columns.
func (a *adversary) columns(t *testing.T, table string) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{}
	rows, err := a.db.Pool.Query(t.Context(), fmt.Sprintf(`
		SELECT t.id::text, xmin::text, xmax::text, cmin::text, (ctid::text::point)[0]::int::text, (ctid::text::point)[1]::int::text,
		ARRAY(SELECT key || '=' || coalesce(value, '') FROM jsonb_each_text(to_jsonb(t))) FROM %s AS t`, table))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, xmin, xmax, cmin, page, at string
		var columns []string
		if err := rows.Scan(&id, &xmin, &xmax, &cmin, &page, &at, &columns); err != nil {
			t.Fatal(err)
		}
		if a.truth[table+" "+id] == "" {
			continue
		}
		m := map[string]string{"xmin": xmin, "xmax": xmax, "cmin": cmin, "page": page, "at": at}
		for _, c := range columns {
			name, value, _ := strings.Cut(c, "=")
			m["."+name] = value
		}
		all[table+" "+id] = m
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// look reads everything that erasing has written into the rows.
func (a *adversary) look(t *testing.T) []keptRow {
	t.Helper()
	listed := map[string]string{} // record of oubli.retained_rows, by table and row
	for _, line := range a.db.Strings(t, `SELECT concat_ws(' ', r.id, replace(table_name, 'public.', ''), row)
		FROM oubli.retained_rows AS r, unnest(rows) AS row`) {
		record, row, _ := strings.Cut(line, " ")
		listed[row] = record
	}
	var all []keptRow
	for _, table := range a.tables {
		now := a.columns(t, table)
		for _, name := range slices.Sorted(maps.Keys(now)) {
			c := now[name]
			if c["xmin"] == a.before[name]["xmin"] {
				continue // of a client who was not erased yet
			}
			r := keptRow{name: name, table: table, client: a.truth[name]}
			r.xmin, r.page, r.at, r.cmin = number(c["xmin"]), number(c["page"]), number(c["at"]), number(c["cmin"])
			r.tokens = append(r.tokens, "xmin "+c["xmin"], "page "+table+" "+c["page"])
			if record := listed[name]; record != "" {
				r.tokens = append(r.tokens, "record "+record)
			}
			if c["xmax"] != "0" {
				r.tokens = append(r.tokens, "xmax "+c["xmax"])
			}
			for column, value := range c {
				if strings.HasPrefix(column, ".") && value != a.before[name][column] {
					r.tokens = append(r.tokens, table+column+" "+value)
				}
			}
			all = append(all, r)
		}
	}
	return all
}

func number(s string) (n int) {
	_, _ = fmt.Sscan(s, &n)
	return n
}

// clues are the adversary's ways to find two rows of one client, each with the
// groups of rows that it takes for one client's.
func (a *adversary) clues(rows []keptRow) map[string][][]int {
	groups := map[string]map[string][]int{}
	for i, r := range rows {
		for _, token := range r.tokens {
			clue, value, _ := strings.Cut(token, " ")
			if groups[clue] == nil {
				groups[clue] = map[string][]int{}
			}
			groups[clue][value] = append(groups[clue][value], i)
		}
	}
	all := map[string][][]int{}
	for clue, of := range groups {
		for _, value := range slices.Sorted(maps.Keys(of)) {
			if len(of[value]) > 1 {
				all[clue] = append(all[clue], of[value])
			}
		}
	}
	neighbours := func(clue string, compare func(a, b keptRow) int, near func(a, b keptRow) bool) {
		order := make([]int, len(rows))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(i, j int) int { return compare(rows[i], rows[j]) })
		for n := 1; n < len(order); n++ {
			if near(rows[order[n-1]], rows[order[n]]) {
				all[clue] = append(all[clue], order[n-1:n+1])
			}
		}
	}
	neighbours("ctid", func(a, b keptRow) int { return order(strings.Compare(a.table, b.table), a.page-b.page, a.at-b.at) },
		func(a, b keptRow) bool { return a.table == b.table })
	neighbours("cmin", func(a, b keptRow) int { return order(a.xmin-b.xmin, a.cmin-b.cmin, strings.Compare(a.name, b.name)) },
		func(a, b keptRow) bool { return a.xmin == b.xmin })
	return all
}

func order(all ...int) int {
	for _, n := range all {
		if n != 0 {
			return n
		}
	}
	return 0
}

// precision is how often two rows that a clue connects are of one client.
func precision(groups [][]int, client []string) float64 {
	same, pairs := 0, 0
	count := map[string]int{}
	for _, g := range groups {
		clear(count)
		for _, i := range g {
			count[client[i]]++
		}
		for _, n := range count {
			same += n * (n - 1) / 2
		}
		pairs += len(g) * (len(g) - 1) / 2
	}
	return float64(same) / float64(max(pairs, 1))
}

// finding is what one clue tells: how often it is right, and how often it would be
// if the rows of each table had been given to the clients at random.
type finding struct {
	pairs         int
	right, chance float64
	deviation     float64 // of chance
}

// try measures every clue. The random assignments have a seed of their own.
func (a *adversary) try(rows []keptRow) map[string]finding {
	clients := make([]string, len(rows))
	of := map[string][]int{}
	for i, r := range rows {
		clients[i] = r.client
		of[r.table] = append(of[r.table], i)
	}
	all, random := map[string]finding{}, rand.New(rand.NewPCG(14, 4))
	for clue, groups := range a.clues(rows) {
		f := finding{right: precision(groups, clients)}
		for _, g := range groups {
			f.pairs += len(g) * (len(g) - 1) / 2
		}
		const times = 300
		guessed := slices.Clone(clients)
		var sum, squares float64
		for range times {
			for _, table := range a.tables {
				g := of[table]
				random.Shuffle(len(g), func(i, j int) { guessed[g[i]], guessed[g[j]] = guessed[g[j]], guessed[g[i]] })
			}
			p := precision(groups, guessed)
			sum, squares = sum+p, squares+p*p
		}
		f.chance = sum / times
		f.deviation = math.Sqrt(max(0, squares/times-f.chance*f.chance))
		all[clue] = f
	}
	return all
}

// joined is how often a row of oubli's tables that names a client has something in
// common with a kept row: the transaction, or a moment; and how often that client
// is the right one.
func (a *adversary) joined(t *testing.T, rows []keptRow) (right, all int) {
	t.Helper()
	seen := map[string][]keptRow{}
	for _, r := range rows {
		for _, token := range r.tokens {
			clue, value, _ := strings.Cut(token, " ")
			if clue == "xmin" || clue == "xmax" || strings.Contains(value, ":") {
				seen[value] = append(seen[value], r)
			}
		}
	}
	for _, table := range a.db.Strings(t, "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'oubli'") {
		query := fmt.Sprintf("SELECT jsonb_build_object('xmin', xmin, 'xmax', xmax) || to_jsonb(t) FROM %s AS t", table)
		for _, line := range a.db.Strings(t, query) {
			var columns struct {
				Keys     []string `json:"keys"`
				ClientID string   `json:"client_id"`
			}
			if err := json.Unmarshal([]byte(line), &columns); err != nil {
				t.Fatal(err)
			}
			named := columns.Keys
			if columns.ClientID != "" {
				named = append(named, columns.ClientID)
			}
			for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \",[]{}()", r) }) {
				for _, r := range seen[word] {
					all += len(named)
					if slices.Contains(named, r.client) {
						right++
					}
				}
			}
		}
	}
	return right, all
}
