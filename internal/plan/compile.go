package plan

import "github.com/oubli/oubli/internal/erasuremap"

// Compile holds the map against the catalog and compiles both, in three steps:
// resolve finds the map's names in the catalog and builds the model, check
// looks for what the model does not cover or cannot do, and emit writes the
// statements.
//
// Its error, if any, is Gaps: everything that is missing or wrong, not only the
// first. With gaps the plan has no statements that erase; if at least the
// client's table was found, it still knows keys and tenants.
func Compile(m *erasuremap.Map, catalog *Catalog) (*Plan, error) {
	md, gaps := resolve(m, catalog)
	identity := checkIdentity(md)
	if !md.identified || len(identity) > 0 {
		return nil, append(gaps, identity...) // without keys and tenants nothing else can be checked
	}
	gaps = append(gaps, check(md)...)
	if len(gaps) > 0 {
		return emitBasics(md), gaps
	}
	return emit(md, checkMerge(md)), nil
}
