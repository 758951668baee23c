package repository_test

import (
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
)

func TestOfTheResiduesOfManySweepsOnlyTheNewestIsKept(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	for range 3 {
		db.Exec(t, "INSERT INTO oubli.residues DEFAULT VALUES")
	}
	last := db.Int(t, "SELECT max(id) FROM oubli.residues")
	if err := s.RefreshStatistics(t.Context()); err != nil {
		t.Fatal(err)
	}
	// One that comes later waits for its own round, and takes nothing away.
	db.Exec(t, "INSERT INTO oubli.residues DEFAULT VALUES")
	if err := s.RefreshStatistics(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.residues WHERE level = 0 AND tries = 0"); n != 1 {
		t.Errorf("%d notes wait, want the one that came within the pause", n)
	}
	n := db.Int(t, "SELECT count(*) FROM oubli.residues WHERE level = $1 AND id = $2", jobs.ResidueStatistics, last)
	if n != 1 || db.Int(t, "SELECT count(*) FROM oubli.residues") != 2 {
		t.Errorf("want the last of the three and the late one, have %v", db.Strings(t, "SELECT r::text FROM oubli.residues r"))
	}
}
