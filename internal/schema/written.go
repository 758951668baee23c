package schema

import (
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/jobs"
)

// Written counts rows of a table that a transaction has written so far.
type Written struct{ Inserted, Updated, Deleted int64 }

// InsertedBy counts rows that somebody else has inserted since before, if our own
// statements have updated so many rows. In a partitioned table our own rows count
// as inserted if they moved, and are missing among the updated then. There, rows of
// the same table that triggers update while others move count too: better refuse.
func (w Written) InsertedBy(before Written, moves bool, updated int64) int64 {
	inserted := w.Inserted - before.Inserted
	if !moves {
		return inserted
	}
	return min(inserted, inserted-(updated-(w.Updated-before.Updated)))
}

// ReadWritten reads what plan.Proof.Writes answers: the counts, by table.
func ReadWritten(results pgx.BatchResults) (map[string]Written, error) {
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	all := map[string]Written{}
	var table string
	var w Written
	_, err = pgx.ForEachRow(rows, []any{&table, &w.Inserted, &w.Updated, &w.Deleted}, func() error {
		all[table] = w
		return nil
	})
	if _, off := all[""]; off && err == nil {
		return nil, errNotCounted
	}
	return all, err
}

// errNotCounted blocks a job: without the counts nobody knows what triggers have
// written, so that nothing could be proved.
var errNotCounted = &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Msg: "track_counts is off, so that PostgreSQL does " +
	"not count the rows that triggers write, and what was erased cannot be proved: as a superuser, ALTER ROLE … SET track_counts = on " +
	"for the workers' role and restart the workers, or set it for the server"}
