package repository

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// keyReader brings the keys of a request into their canonical form.
type keyReader struct {
	kind    plan.KeyKind
	spelled map[string]string // how the rows of clients spell keys that can be spelled in several ways
}

// readKeys makes a keyReader for these keys of a tenant's clients.
func readKeys(ctx context.Context, tx pgx.Tx, p *plan.Plan, tenant string, raw ...string) (keyReader, error) {
	k := keyReader{p.KeyKind, map[string]string{}}
	if p.SpellKeys.SQL == "" {
		return k, nil
	}
	if _, _, err := tenantFacts(ctx, tx, p, tenant); err != nil {
		return k, err
	}
	valid := slices.DeleteFunc(slices.Clone(raw), func(r string) bool { _, ok := canonicalKey(k.kind, r); return !ok })
	args, err := bind(forClients(p, tenant, valid), p.SpellKeys)
	if err != nil {
		return k, err
	}
	rows, err := tx.Query(ctx, p.SpellKeys.SQL, args...)
	if err != nil {
		return k, err
	}
	var given, own string
	_, err = pgx.ForEachRow(rows, []any{&given, &own}, func() error {
		k.spelled[given] = own
		return nil
	})
	return k, err
}

// key is the canonical form of one key.
func (k keyReader) key(raw string) (string, bool) {
	if own, found := k.spelled[raw]; found {
		return own, true
	}
	return canonicalKey(k.kind, raw)
}

// keys brings each key into its canonical form, removes duplicates, and sorts, so
// that neighbouring keys come into the same chunk and their rows are often on the
// same pages. The error names the field and indexes in it, never keys.
func (k keyReader) keys(field string, raw []string) ([]string, error) {
	keys := make([]string, 0, len(raw))
	var bad []string
	for i, r := range raw {
		key, ok := k.key(r)
		if !ok {
			bad = append(bad, strconv.Itoa(i))
			continue
		}
		keys = append(keys, key)
	}
	if len(bad) > 0 {
		more := ""
		if n := len(bad) - 10; n > 0 {
			more = fmt.Sprintf(" and %d more", n)
			bad = bad[:10]
		}
		return nil, &jobs.Error{Kind: jobs.Invalid, Code: "bad_client_id",
			Msg: fmt.Sprintf("%s must be keys of type %s; those at index %s%s are not", field, k.kind, strings.Join(bad, ", "), more)}
	}
	sortKeys(k.kind, keys)
	return slices.Compact(keys), nil
}

func canonicalKey(kind plan.KeyKind, raw string) (string, bool) {
	switch kind {
	case plan.IntKey, plan.BigintKey:
		bits := 64
		if kind == plan.IntKey {
			bits = 32
		}
		n, err := strconv.ParseInt(raw, 10, bits)
		return strconv.FormatInt(n, 10), err == nil && !strings.HasPrefix(raw, "+")
	case plan.UUIDKey:
		id, err := uuid.Parse(raw)
		return id.String(), err == nil && (len(raw) == 36 || len(raw) == 32)
	}
	return raw, raw != "" && len(raw) <= jobs.MaxKeyLength && utf8.ValidString(raw) && !strings.ContainsFunc(raw, unicode.IsControl)
}

func sortKeys(kind plan.KeyKind, keys []string) {
	if kind == plan.IntKey || kind == plan.BigintKey {
		slices.SortFunc(keys, func(a, b string) int {
			na, _ := strconv.ParseInt(a, 10, 64)
			nb, _ := strconv.ParseInt(b, 10, 64)
			return cmp.Compare(na, nb)
		})
		return
	}
	slices.Sort(keys)
}
