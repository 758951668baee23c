package erasuremap_test

import (
	"slices"
	"testing"

	"github.com/oubli/oubli/internal/erasuremap"
)

func TestTheStringsOfAnExpressionAreFound(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]string{
		"legal_hold":                               nil,
		"kind = 'Client'":                          {"Client"},
		"kind IN ('Client', 'it''s') OR \"a'b\"":   {"Client", "it's"},
		"kind = $$Client$$ OR kind = $k$Guest$k$":  {"Client", "Guest"},
		"kind = E'Client' OR kind = E'Cl\\'ient'":  {"Client"},
		"kind = '' AND n > 3 AND kind = 'Client' ": {"", "Client"},
	} {
		if got := erasuremap.Strings(expr); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", expr, got, want)
		}
	}
}
