package repository

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// canonicalKeys brings each key into its canonical form, removes duplicates, and
// sorts, so that neighbouring keys come into the same chunk and their rows are
// often on the same pages. The error names the field and indexes in it, never
// keys.
func canonicalKeys(kind plan.KeyKind, field string, raw []string) ([]string, error) {
	keys := make([]string, 0, len(raw))
	var bad []string
	for i, r := range raw {
		k, ok := canonicalKey(kind, r)
		if !ok {
			bad = append(bad, strconv.Itoa(i))
			continue
		}
		keys = append(keys, k)
	}
	if len(bad) > 0 {
		more := ""
		if n := len(bad) - 10; n > 0 {
			more = fmt.Sprintf(" and %d more", n)
			bad = bad[:10]
		}
		return nil, &jobs.Error{Kind: jobs.Invalid, Code: "bad_client_id",
			Msg: fmt.Sprintf("%s must be keys of type %s; those at index %s%s are not", field, kind, strings.Join(bad, ", "), more)}
	}
	sortKeys(kind, keys)
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
	return raw, raw != "" && len(raw) <= jobs.MaxKeyLength && utf8.ValidString(raw) && !strings.ContainsRune(raw, 0)
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
