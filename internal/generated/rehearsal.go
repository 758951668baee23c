package generated

import (
	"fmt"
	"maps"
	"slices"
)

// JudgeRehearsal holds the database after a dry run against the one before, and
// what it has told against what became of the clients afterwards. A dry run may
// have made anonymous profiles.
func (c *Case) JudgeRehearsal(before, after Snapshot, told, became Outcome) []Finding {
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
	slices.Sort(told.Erased)
	slices.Sort(became.Erased)
	if !slices.Equal(told.Erased, became.Erased) || !maps.Equal(told.Failed, became.Failed) || (told.Blocked == "") != (became.Blocked == "") {
		find("dry run told otherwise", "", "", "erased %v, failed %v, blocked %q; then erased %v, failed %v, blocked %q",
			told.Erased, told.Failed, told.Blocked, became.Erased, became.Failed, became.Blocked)
	}
	return all
}
