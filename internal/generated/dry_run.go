package generated

import (
	"fmt"
	"maps"
	"slices"
)

// JudgeDryRun compares the database after a dry run with the database before it,
// and the outcomes of the dry run with those of the erasure afterwards. A dry run
// may have made anonymous profiles.
func (c *Case) JudgeDryRun(before, after Snapshot, announced, became Outcome) []Finding {
	var all []Finding
	find := func(what, table, column, format string, args ...any) {
		all = append(all, Finding{what, table, column, fmt.Sprintf(format, args...)})
	}
	for table, rows := range before {
		left := map[string]int{}
		for _, r := range after[table] {
			left[fmt.Sprint(r)]++
		}
		for _, r := range rows {
			if left[fmt.Sprint(r)]--; left[fmt.Sprint(r)] < 0 && !control(table) {
				find("dry run changed", table, "", "row %s", r["id"])
			}
		}
		if len(after[table]) > len(rows) && table != clients && !control(table) {
			find("dry run added", table, "", "%d rows", len(after[table])-len(rows))
		}
	}
	slices.Sort(announced.Erased)
	slices.Sort(became.Erased)
	if !slices.Equal(announced.Erased, became.Erased) || !maps.Equal(announced.Failed, became.Failed) ||
		(announced.Blocked == "") != (became.Blocked == "") {
		find("dry run announced another outcome", "", "", "erased %v, failed %v, blocked %q; then erased %v, failed %v, blocked %q",
			announced.Erased, announced.Failed, announced.Blocked, became.Erased, became.Failed, became.Blocked)
	}
	return all
}
