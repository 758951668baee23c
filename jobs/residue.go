package jobs

import (
	"fmt"
	"time"
)

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

// ResidueNames lists the names of all levels in order.
func ResidueNames() []string {
	return []string{
		ResidueLogical.String(), ResidueMixed, ResidueStatistics.String(), ResidueRewritten.String(), ResidueWAL.String(),
	}
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

// MixClients is how many former clients' rows one transaction covers at least
// before a job has reached the level mixed. Whoever reads the system columns of a
// row then knows that it is of one of so many.
const MixClients = 20

// ResidueMixed is the name of the level between logical and statistics: nobody who
// reads the system columns of rows can tell which of them are of one former client.
// As the levels are about what is left on disk, it has the number of logical.
const ResidueMixed = "mixed"

// Residue is the level that a job has reached.
type Residue struct {
	Level      ResidueLevel `json:"level" minimum:"0" maximum:"3" doc:"0: the rows are gone. 1: the planner's statistics are refreshed. 2: tables and indexes are rewritten. 3: the old write-ahead log is overwritten or removed"`
	Name       string       `json:"name" enum:"logical,mixed,statistics,rewritten,wal" doc:"The level's name. Level 0 is logical until the kept rows of small jobs were mixed with those of other former clients, and mixed then. Until then no further level is reached"`
	Reached    time.Time    `json:"reached_at"`
	WaitingFor string       `json:"waiting_for,omitempty" doc:"Why the job has not reached the level mixed: it waits for more former clients, or names the table that refuses"`
	// StaleViews are by name, with the SQLSTATE or code of the last try to refresh.
	StaleViews map[string]string `json:"stale_views,omitempty" doc:"Materialized views that may still show rows of the job's clients, with the SQLSTATE of the last refresh; empty text: none was tried yet"`
}

// Mixing is how far the rows that a job left were mixed with others'.
type Mixing struct {
	Needed bool       // false for jobs of earlier versions, of which nothing is known, and for sweeps
	Done   *time.Time // nil: not yet
	Why    string     // they could not be mixed; empty: they wait for others
}

// NewResidue is what a job may say of itself: of the levels of its values on disk
// none beyond the first before its rows were mixed.
func NewResidue(disk ResidueLevel, reached, since time.Time, m Mixing) *Residue {
	switch {
	case m.Needed && m.Done == nil:
		why := m.Why
		if why == "" {
			why = fmt.Sprintf("its rows are mixed with those of others once rows of %d former clients are there", MixClients)
		}
		return &Residue{Level: ResidueLogical, Name: ResidueLogical.String(), Reached: since, WaitingFor: why}
	case m.Needed && disk == ResidueLogical:
		return &Residue{Level: disk, Name: ResidueMixed, Reached: *m.Done}
	case m.Needed && m.Done.After(reached):
		reached = *m.Done
	}
	return &Residue{Level: disk, Name: disk.String(), Reached: reached}
}
