package terminal

import (
	"fmt"

	"github.com/oubli/oubli/jobs"
)

// ResidueMeaning says what a level means for the files of the database.
func ResidueMeaning(l jobs.ResidueLevel) string {
	switch l {
	case jobs.ResidueLogical:
		return "gone for every query, not yet from statistics"
	case jobs.ResidueStatistics:
		return "gone from statistics, not from tables and indexes"
	case jobs.ResidueRewritten:
		return "gone from tables and indexes, not from the write-ahead log"
	case jobs.ResidueWAL:
		return "gone from tables, indexes and the write-ahead log"
	}
	return ""
}

// Residue is a level with its meaning.
func Residue(l jobs.ResidueLevel) string {
	return fmt.Sprintf("level %d, %s", l, ResidueMeaning(l))
}

// Mixed is what the level mixed means.
const Mixed = "no system column tells whose rows were one client's; not yet gone from statistics"

// residueText is what a job has reached.
func residueText(r jobs.Residue) string {
	if r.Name == jobs.ResidueMixed {
		return fmt.Sprintf("level %d, %s: %s", r.Level, r.Name, Mixed)
	}
	return Residue(r.Level)
}
