package repository

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

const (
	// scanAtMost is how many clients one page of a search reads when no index of
	// names helps. A page may then be short, or empty, although more follow.
	scanAtMost = 20_000
	// indexedAtMost is how many clients a search by the index finds. If there are
	// more, so many clients match that a scan soon finds a page of them.
	indexedAtMost = 2_000
	// indexedFor bounds a search by the index: PostgreSQL may decide not to use it.
	indexedFor = "1s"
	// trigram is the shortest word that an index of trigrams finds.
	trigram = 3
)

// search is what somebody looks for.
type search struct {
	text     string   // a key, perhaps
	patterns []string // for LIKE
	longest  string   // of the patterns
}

func newSearch(text string) (search, error) {
	q := search{text: strings.TrimSpace(text)}
	words := strings.Fields(q.text)
	if utf8.RuneCountInString(text) > jobs.MaxSearch || len(words) > jobs.MaxSearchWords {
		return q, &jobs.Error{Kind: jobs.Invalid, Code: "bad_search", Msg: "search takes at most 100 characters and 8 words"}
	}
	for _, w := range words {
		q.patterns = append(q.patterns, "%"+strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(w)+"%")
	}
	for _, p := range q.patterns {
		if utf8.RuneCountInString(p) > utf8.RuneCountInString(q.longest) {
			q.longest = p
		}
	}
	return q, nil
}

func (q search) empty() bool { return len(q.patterns) == 0 }

// indexable reports whether the plan has an index that finds the longest word.
func (q search) indexable(p *plan.Plan) bool {
	return p.Search.Indexed.SQL != "" && utf8.RuneCountInString(q.longest) >= trigram+2
}

// searchParams are for the statements that find clients by their names.
type searchParams struct {
	clientParams
	search
	after string
	limit int
}

func (q searchParams) value(a plan.Arg) (any, error) {
	switch a.Kind {
	case plan.ArgPatterns:
		return list(q.patterns), nil
	case plan.ArgPattern:
		return q.longest, nil
	case plan.ArgAfterKey:
		return q.after, nil
	case plan.ArgLimit:
		return q.limit, nil
	}
	return q.clientParams.value(a)
}

// Clients lists clients of one tenant in the order of their keys. A client whose key
// is the text searched for comes first. Without an index of names a page reads a
// bounded number of clients, so that it may be short although more follow.
func (s *Store) Clients(ctx context.Context, f jobs.ClientSearch) (jobs.List[jobs.Client], error) {
	var none jobs.List[jobs.Client]
	q, err := newSearch(f.Text)
	if err != nil {
		return none, err
	}
	p, err := s.covered(ctx)
	if err != nil {
		return none, unavailableWithGaps(err)
	}
	if _, _, err := tenantFacts(ctx, s.pool, p, f.TenantID); err != nil {
		if unknownTenant(err) { // or one that is spelled otherwise
			return jobs.List[jobs.Client]{Items: []jobs.Client{}}, nil
		}
		return none, pgfault.Wrap("find tenant", err)
	}
	secret, err := s.cursorSecret(ctx)
	if err != nil {
		return none, err
	}
	params := searchParams{clientParams: forClients(p, f.TenantID, nil), search: q}
	if f.Cursor != "" {
		if params.after, err = decryptCursor(secret, f.Cursor); err != nil {
			return none, err
		}
	}
	exact := ""
	if !q.empty() {
		if exact, err = s.exactKey(ctx, p, f.TenantID, q.text); err != nil {
			return none, err
		}
	}
	found, err := s.searchPage(ctx, p, params, f.Limit, exact)
	if err != nil {
		return none, err
	}
	if exact != "" && f.Cursor == "" {
		found.keys = append([]string{exact}, found.keys...)
	}
	l := jobs.List[jobs.Client]{}
	if l.Items, err = s.named(ctx, p, f.TenantID, found.keys); err != nil {
		return none, err
	}
	if found.next != "" {
		l.Next = encryptCursor(secret, found.next)
	}
	return l, nil
}

// found is a page of keys, and the key after which the next begins.
type found struct {
	keys []string
	next string
}

// searchPage finds a page of clients other than one.
func (s *Store) searchPage(ctx context.Context, p *plan.Plan, params searchParams, limit int, except string) (found, error) {
	if params.indexable(p) {
		keys, complete, err := s.findIndexed(ctx, p, params)
		if err != nil {
			return found{}, err
		}
		if complete {
			keys = slices.DeleteFunc(keys, func(k string) bool { return k == except })
			if len(keys) > limit {
				return found{keys[:limit], keys[limit-1]}, nil
			}
			return found{keys: keys}, nil
		}
	}
	return s.scan(ctx, p, params, limit, except)
}

// findIndexed finds clients by the index of names. It is not complete if there are
// too many, or if PostgreSQL takes too long because it does not use the index.
func (s *Store) findIndexed(ctx context.Context, p *plan.Plan, params searchParams) (keys []string, complete bool, err error) {
	st := p.Search.Indexed
	if params.after != "" {
		st = p.Search.IndexedAfter
	}
	params.limit = indexedAtMost + 1
	args, err := bind(params, st)
	if err != nil {
		return nil, false, err
	}
	slow := false
	err = s.tx(ctx, "find clients by name", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('statement_timeout', $1, true)", indexedFor); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, st.SQL, args...)
		if err == nil {
			keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		slow = pgfault.Is(err, "57014")
		return err
	})
	if slow && ctx.Err() == nil {
		return nil, false, nil
	}
	return keys, len(keys) <= indexedAtMost, err
}

// scan reads a bounded number of clients in the order of their keys.
func (s *Store) scan(ctx context.Context, p *plan.Plan, params searchParams, limit int, except string) (found, error) {
	st := p.Search.Scan
	if params.after != "" {
		st = p.Search.ScanAfter
	}
	params.limit = scanAtMost
	if params.empty() {
		params.limit = limit + 1
	}
	args, err := bind(params, st)
	if err != nil {
		return found{}, err
	}
	rows, err := s.pool.Query(ctx, st.SQL, args...)
	if err != nil {
		return found{}, pgfault.Wrap("search clients", err)
	}
	var f found
	var key, last string
	var hit bool
	seen := 0
	_, err = pgx.ForEachRow(rows, []any{&key, &hit}, func() error {
		seen++
		switch {
		case f.next != "":
		case hit && key != except && len(f.keys) == limit:
			f.next = f.keys[limit-1]
		case hit && key != except:
			f.keys = append(f.keys, key)
		}
		last = key
		return nil
	})
	if f.next == "" && seen == params.limit {
		f.next = last
	}
	return f, pgfault.Wrap("search clients", err)
}

// exactKey is the key of the client that the text names; empty: no client of the
// tenant has it.
func (s *Store) exactKey(ctx context.Context, p *plan.Plan, tenant, text string) (string, error) {
	var exact string
	err := s.tx(ctx, "find client", func(tx pgx.Tx) error {
		k, err := readKeys(ctx, tx, p, tenant, text)
		if err != nil {
			return err
		}
		key, ok := k.key(text)
		if !ok {
			return nil
		}
		args, err := bind(forClients(p, tenant, []string{key}), p.FindClients)
		if err != nil {
			return err
		}
		var profile bool
		err = tx.QueryRow(ctx, p.FindClients.SQL, args...).Scan(&key, &profile)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if !profile {
			exact = key
		}
		return err
	})
	return exact, err
}

// named reads the present names of clients, in the order of the keys. Clients that
// are gone by now are left out.
func (s *Store) named(ctx context.Context, p *plan.Plan, tenant string, keys []string) ([]jobs.Client, error) {
	all := []jobs.Client{}
	if len(keys) == 0 {
		return all, nil
	}
	args, err := bind(forClients(p, tenant, keys), p.Preview)
	if err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, p.Preview.SQL, args...)
	if err != nil {
		return nil, pgfault.Wrap("read names", err)
	}
	by := map[string]jobs.Client{}
	var c jobs.Client
	_, err = pgx.ForEachRow(rows, []any{&c.ClientID, &c.Name, &c.CreatedAt, &c.LastActivityAt}, func() error {
		by[c.ClientID] = c
		return nil
	})
	for _, key := range keys {
		if c, there := by[key]; there {
			all = append(all, c)
		}
	}
	return all, pgfault.Wrap("read names", err)
}

// cursorSecret encrypts the cursors of lists that are of no job.
func (s *Store) cursorSecret(ctx context.Context) (secret uuid.UUID, err error) {
	err = s.pool.QueryRow(ctx, "SELECT cursor_secret FROM oubli.service").Scan(&secret)
	return secret, pgfault.Wrap("read the secret of cursors", err)
}
