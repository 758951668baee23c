package jobs

import "time"

// ResidueLevel says how far erased values are removed from the database's files.
// No query finds them at any level, except in the planner's statistics at level 0.
type ResidueLevel int

// The levels. Each includes those before it.
const (
	ResidueLogical    ResidueLevel = iota // the rows are gone; the planner's statistics may contain values
	ResidueStatistics                     // the planner's statistics are refreshed
	ResidueRewritten                      // tables, indexes and the catalogs of statistics are rewritten to new files
	ResidueWAL                            // the old write-ahead log is overwritten or removed
)

// ResidueLevels lists all levels in order.
func ResidueLevels() []ResidueLevel {
	return []ResidueLevel{ResidueLogical, ResidueStatistics, ResidueRewritten, ResidueWAL}
}

// String returns the level's name.
func (l ResidueLevel) String() string {
	switch l {
	case ResidueLogical:
		return "logical"
	case ResidueStatistics:
		return "statistics"
	case ResidueRewritten:
		return "rewritten"
	case ResidueWAL:
		return "wal"
	}
	return "unknown"
}

// Residue is the level that a job has reached.
type Residue struct {
	Level   ResidueLevel `json:"level" minimum:"0" maximum:"3" doc:"0: the rows are gone. 1: the planner's statistics are refreshed. 2: tables and indexes are rewritten. 3: the old write-ahead log is overwritten or removed"`
	Name    string       `json:"name" enum:"logical,statistics,rewritten,wal"`
	Reached time.Time    `json:"reached_at"`
}
