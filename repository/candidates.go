package repository

import (
	"context"
	"errors"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

const (
	// filterAtMost is how many candidates one page reads to find those that are
	// included, blocked or excluded.
	filterAtMost = 100_000
	// namesAtOnce is how many candidates' names a search reads in one statement.
	namesAtOnce = 2_000
)

// Candidates reads a page of a selection, with the present names. A page takes the
// same time wherever it is in the list. A filter or a search reads a bounded number of
// candidates, so that a page may be short although more follow.
func (s *Store) Candidates(ctx context.Context, f jobs.CandidateFilter) (jobs.List[jobs.Candidate], error) {
	var none jobs.List[jobs.Candidate]
	from := 0
	if f.Cursor != "" {
		var err error
		if from, err = strconv.Atoi(f.Cursor); err != nil || from < 0 || from > 1<<30 {
			return none, badCursor()
		}
	}
	q, err := newSearch(f.Search)
	if err != nil {
		return none, err
	}
	p, err := s.covered(ctx)
	if err != nil {
		return none, unavailableWithGaps(err)
	}
	sel, err := s.frozenList(ctx, f)
	if err != nil {
		return none, err
	}
	if err := s.sortCandidates(ctx, p, sel); err != nil {
		return none, err
	}
	var page placed
	if q.empty() {
		page, err = s.place(ctx, sel, from, f.Limit, nil)
	} else {
		page, err = s.searchCandidates(ctx, p, sel, q, from, f.Limit)
	}
	if err != nil {
		return none, err
	}
	l := jobs.List[jobs.Candidate]{Items: page.items}
	if page.next > 0 {
		l.Next = strconv.Itoa(page.next)
	}
	return l, s.nameCandidates(ctx, p, sel.owner, l.Items)
}

// frozenList is a selection and how it is looked at.
type frozenList struct {
	id, owner  string
	candidates int
	sort       jobs.CandidateSort
	show       jobs.CandidateShow
}

// frozenList reads the tenant of a selection. It does not read the counts.
func (s *Store) frozenList(ctx context.Context, f jobs.CandidateFilter) (frozenList, error) {
	l := frozenList{id: f.SelectionID, sort: f.Sort, show: f.Show}
	if _, err := uuid.Parse(l.id); err != nil {
		return l, noSelection()
	}
	err := s.pool.QueryRow(ctx, "SELECT tenant_id, candidates FROM oubli.selections WHERE id = $1 AND ($2 = '*' OR tenant_id = $2)",
		l.id, f.TenantID).Scan(&l.owner, &l.candidates)
	if errors.Is(err, pgx.ErrNoRows) {
		return l, noSelection()
	}
	return l, pgfault.Wrap("read selection", err)
}

// parts is the table that has the list in its order.
func (l frozenList) parts() string {
	if l.sorted() {
		return "(SELECT * FROM oubli.sorted_parts WHERE sort = '" + string(l.sort) + "')"
	}
	return "oubli.selection_parts"
}

func (l frozenList) sorted() bool {
	return l.sort == jobs.SortLastActivity || l.sort == jobs.SortCreatedAt
}

// all reports whether every candidate is shown.
func (l frozenList) all() bool { return l.show == "" || l.show == jobs.ShowAll }

// placed are candidates without names, and the place of the next one; 0: there is none.
type placed struct {
	items  []jobs.Candidate
	places []int
	next   int
}

// place reads a page of the list from a place on. With keys it reads only those, and
// looks at the whole list for them.
func (s *Store) place(ctx context.Context, l frozenList, from, limit int, keys []string) (placed, error) {
	to := from + limit
	if !l.all() {
		to = from + filterAtMost
	}
	if keys != nil {
		to = l.candidates
	}
	rows, err := s.pool.Query(ctx, `
		SELECT key, code, excluded, place FROM (
		  SELECT c.key, c.code, part.number, c.place AS nth, part.number * $5::int + c.place - 1 AS place,
		    c.key IN (SELECT unnest(excluded) FROM oubli.selections WHERE id = $1) AS excluded
		  FROM `+l.parts()+` AS part
		  CROSS JOIN LATERAL unnest(part.keys, part.codes) WITH ORDINALITY AS c(key, code, place)
		  WHERE part.selection_id = $1 AND part.number BETWEEN $2::int / $5::int AND $3::int / $5::int
		    AND ($7::text[] IS NULL OR c.key IN (SELECT unnest($7::text[])))) AS c
		WHERE place BETWEEN $2 AND $3 AND CASE $6
		  WHEN 'included' THEN code = '' AND NOT excluded WHEN 'blocked' THEN code <> '' WHEN 'excluded' THEN excluded ELSE true END
		ORDER BY number, nth LIMIT $4`, l.id, from, to, limit+1, selectionPart, l.show, keys)
	if err != nil {
		return placed{}, pgfault.Wrap("read candidates", err)
	}
	p := placed{items: []jobs.Candidate{}}
	var c jobs.Candidate
	var code string
	var excluded bool
	var place int
	_, err = pgx.ForEachRow(rows, []any{&c.ClientID, &code, &excluded, &place}, func() error {
		one := jobs.Candidate{ClientID: c.ClientID, Included: code == "" && !excluded}
		if code != "" {
			blocked := code
			one.Blocked = &blocked
		}
		p.items, p.places = append(p.items, one), append(p.places, place)
		return nil
	})
	switch {
	case len(p.items) > limit:
		p.next, p.items, p.places = p.places[limit], p.items[:limit], p.places[:limit]
	case to+1 < l.candidates:
		p.next = to + 1
	}
	return p, pgfault.Wrap("read candidates", err)
}

// searchCandidates finds candidates by key or name.
func (s *Store) searchCandidates(ctx context.Context, p *plan.Plan, l frozenList, q search, from, limit int) (placed, error) {
	params := searchParams{clientParams: forClients(p, l.owner, nil), search: q}
	exact, err := s.exactKey(ctx, p, l.owner, q.text)
	if err != nil {
		return placed{}, err
	}
	if q.indexable(p) {
		keys, complete, err := s.findIndexed(ctx, p, params)
		if err != nil {
			return placed{}, err
		}
		if complete {
			return s.place(ctx, l, from, limit, append(keys, exact))
		}
	}
	out := placed{items: []jobs.Candidate{}}
	if exact != "" && from == 0 {
		if out, err = s.place(ctx, l, 0, limit, []string{exact}); err != nil {
			return placed{}, err
		}
	}
	for read := 0; read < scanAtMost; read += namesAtOnce {
		page, err := s.place(ctx, l, from, namesAtOnce, nil)
		if err != nil {
			return placed{}, err
		}
		hits, err := s.among(ctx, p, params, page.items)
		if err != nil {
			return placed{}, err
		}
		for i, c := range page.items {
			if !hits[c.ClientID] || c.ClientID == exact {
				continue
			}
			if len(out.items) == limit {
				out.next = page.places[i]
				return out, nil
			}
			out.items = append(out.items, c)
		}
		out.next, from = page.next, page.next
		if page.next == 0 {
			break
		}
	}
	return out, nil
}

// among finds those candidates whose names match.
func (s *Store) among(ctx context.Context, p *plan.Plan, params searchParams, items []jobs.Candidate) (map[string]bool, error) {
	params.keys = make([]string, len(items))
	for i, c := range items {
		params.keys[i] = c.ClientID
	}
	args, err := bind(params, p.Search.Among)
	if err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, p.Search.Among.SQL, args...)
	if err != nil {
		return nil, pgfault.Wrap("search candidates", err)
	}
	hits := map[string]bool{}
	var key string
	_, err = pgx.ForEachRow(rows, []any{&key}, func() error { hits[key] = true; return nil })
	return hits, pgfault.Wrap("search candidates", err)
}

// nameCandidates adds the present names and times.
func (s *Store) nameCandidates(ctx context.Context, p *plan.Plan, owner string, items []jobs.Candidate) error {
	keys := make([]string, len(items))
	at := map[string]*jobs.Candidate{}
	for i, c := range items {
		keys[i], at[c.ClientID] = c.ClientID, &items[i]
	}
	live, err := s.named(ctx, p, owner, keys)
	for _, c := range live {
		one, name := at[c.ClientID], c.Name
		one.Name, one.CreatedAt, one.LastActivityAt = &name, c.CreatedAt, c.LastActivityAt
	}
	return err
}

// sortCandidates stores the list in the order asked for, once. That reads every
// candidate; each page afterwards is read as that of the list itself.
func (s *Store) sortCandidates(ctx context.Context, p *plan.Plan, l frozenList) error {
	if !l.sorted() {
		return nil
	}
	there := func(tx pgx.Tx) (done bool, err error) {
		const sql = "SELECT EXISTS (SELECT FROM oubli.sorted_parts WHERE selection_id = $1 AND sort = $2)"
		err = tx.QueryRow(ctx, sql, l.id, l.sort).Scan(&done)
		return done || l.candidates == 0, err
	}
	st := p.OrderByCreation
	if l.sort == jobs.SortLastActivity {
		st = p.OrderByActivity
	}
	args, err := bind(forTenant(p, l.owner), st)
	if err != nil {
		return err
	}
	return s.tx(ctx, "sort candidates", func(tx pgx.Tx) error {
		if done, err := there(tx); err != nil || done {
			return err
		}
		const lock = "SELECT pg_advisory_xact_lock(hashtextextended('oubli:sort:' || $1, 0)), set_config('jit', 'off', true)"
		if _, err := tx.Exec(ctx, lock, l.id); err != nil {
			return err
		}
		if done, err := there(tx); err != nil || done { // another request has stored it
			return err
		}
		n := len(args)
		_, err := tx.Exec(ctx, `
			WITH client AS MATERIALIZED (`+st.SQL+`)
			INSERT INTO oubli.sorted_parts (selection_id, sort, number, keys, codes)
			SELECT $`+strconv.Itoa(n+1)+`, $`+strconv.Itoa(n+2)+`, n / `+strconv.Itoa(selectionPart)+`, array_agg(key ORDER BY n),
			  array_agg(code ORDER BY n)
			FROM (
			  SELECT c.key, c.code, row_number() OVER (ORDER BY client.at NULLS FIRST, part.number, c.place) - 1 AS n
			  FROM oubli.selection_parts AS part
			  CROSS JOIN LATERAL unnest(part.keys, part.codes) WITH ORDINALITY AS c(key, code, place)
			  LEFT JOIN client ON client.key = c.key
			  WHERE part.selection_id = $`+strconv.Itoa(n+1)+`) AS sorted
			GROUP BY n / `+strconv.Itoa(selectionPart), append(args, l.id, l.sort)...)
		return err
	})
}
