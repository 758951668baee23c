package jobs

import "time"

// ResidueLevel says how far erased values have left the disk. Nobody who reads
// through the database finds them at any level; the levels are about files.
type ResidueLevel int

// The levels, each of which includes those before it.
const (
	ResidueLogical    ResidueLevel = iota // gone for every query; the planner's statistics may hold values
	ResidueStatistics                     // the planner's statistics are those of what is there now
	ResidueRewritten                      // tables, indexes and the statistics' own catalogs are new files
	ResidueWAL                            // the write-ahead log of before is overwritten or removed
)

// ResidueLevels lists all levels in order.
func ResidueLevels() []ResidueLevel {
	return []ResidueLevel{ResidueLogical, ResidueStatistics, ResidueRewritten, ResidueWAL}
}

// String is the level's name.
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
	Level   ResidueLevel `json:"level" minimum:"0" maximum:"3" doc:"0 gone for every query, 1 the planner's statistics refreshed, 2 tables and indexes rewritten, 3 the write-ahead log moved on"`
	Name    string       `json:"name" enum:"logical,statistics,rewritten,wal"`
	Reached time.Time    `json:"reached_at"`
}
