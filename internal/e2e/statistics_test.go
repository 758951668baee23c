package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/scrub"
	"github.com/oubli/oubli/jobs"
)

// inStatistics counts the values of clients, retained columns apart, that the
// planner's histograms and lists of common values hold, by column.
func (s *stack) inStatistics(t *testing.T, clients []string) map[string]int {
	t.Helper()
	wanted := map[string]bool{}
	for _, id := range bookingdb.IDs(t, clients) {
		for _, m := range booking.Markers(id) {
			wanted[m] = true
		}
	}
	found := map[string]int{}
	for _, line := range s.Strings(t, `SELECT tablename || '.' || attname || ' ' ||
		  concat(most_common_vals::text, histogram_bounds::text, most_common_elems::text)
		FROM pg_stats WHERE schemaname = 'public'`) {
		column, values, _ := strings.Cut(line, " ")
		if strings.HasPrefix(column, "invoices.billing_") {
			continue
		}
		for _, m := range marker.FindAllString(values, -1) {
			if wanted[strings.ToLower(m)] {
				found[column]++
			}
		}
	}
	return found
}

// insertCards gives every client a membership with their marker, because few of
// them have one.
const insertCards = `INSERT INTO memberships (client_id, plan, card_number, starts_on, monthly_cents)
	SELECT id, 'monthly', 'M-' || split_part(last_name, '-', 2), '2020-01-01', 100 FROM clients WHERE id = ANY($1::text[]::bigint[])`

func residueReached(level jobs.ResidueLevel) func(jobs.Job) bool {
	return func(j jobs.Job) bool { return j.Residue != nil && j.Residue.Level >= level }
}

func TestStatisticsContainNoErasedValueOnceAJobHasEnded(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	asked := s.plain(t, 1, 80)
	// ANALYZE alone would leave the statistics of a table without rows.
	s.Exec(t, "DELETE FROM memberships WHERE client_id <> ALL($1::text[]::bigint[])", asked)
	s.Exec(t, insertCards, asked)
	s.Exec(t, "CREATE STATISTICS cards (mcv) ON card_number, client_id FROM memberships")
	s.Exec(t, "CREATE INDEX ON memberships (lower(card_number))")
	s.Exec(t, "ANALYZE memberships")
	before := s.inStatistics(t, asked)
	if before["memberships.card_number"] == 0 || before["clients.last_name"] == 0 || before["messages.recipient"] == 0 {
		t.Fatalf("the statistics contain too little at the start: %v", before)
	}
	c := admin(t, s.start(t, both, app.Tuning{}), "1")
	dry := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: asked[:3], DryRun: true}).ID, "the dry run", ended)
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked})
	job = until(t, c, job.ID, "statistics to be refreshed", residueReached(jobs.ResidueStatistics))
	if job.State != jobs.Completed || job.Residue.Name != "statistics" || job.Residue.Reached.Before(*job.FinishedAt) || dry.Residue != nil {
		t.Errorf("%+v, %+v; dry run %+v", job, job.Residue, dry.Residue)
	}
	if now := s.inStatistics(t, asked); len(now) > 0 {
		t.Errorf("statistics contain data of the erased: %v, before %v", now, before)
	}
	if n := s.Int(t, "SELECT count(*) FROM pg_stats_ext WHERE statistics_name = 'cards' AND most_common_vals IS NOT NULL"); n > 0 {
		t.Error("extended statistics are left")
	}
}

func TestStatisticsThatCannotBeRefreshedKeepNoJobOpenAndAreNamed(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	asked := s.plain(t, 1, 20)
	s.Exec(t, "DELETE FROM memberships WHERE client_id <> ALL($1::text[]::bigint[])", asked)
	s.Exec(t, insertCards, asked)
	s.Exec(t, "DELETE FROM client_notes WHERE client_id <> ALL($1::text[]::bigint[])", asked)
	s.Exec(t, `INSERT INTO client_notes (client_id, staff_id, body)
		SELECT id, 1, last_name FROM clients WHERE id = ANY($1::text[]::bigint[])`, asked)
	s.Exec(t, "ANALYZE memberships, client_notes")
	if before := s.inStatistics(t, asked); before["memberships.card_number"] == 0 || before["client_notes.body"] == 0 {
		t.Fatalf("the statistics contain too little at the start: %v", before)
	}
	owner := "owner_" + s.Strings(t, "SELECT oid::text FROM pg_database WHERE datname = current_database()")[0]
	s.Exec(t, "CREATE ROLE "+owner)
	t.Cleanup(func() {
		if _, err := s.Pool.Exec(context.Background(), `
			REASSIGN OWNED BY `+owner+` TO CURRENT_USER;
			DROP OWNED BY `+owner+`;
			DROP ROLE `+owner); err != nil {
			t.Error(err)
		}
	})
	s.Exec(t, "ALTER FUNCTION oubli.analyze(regclass) OWNER TO "+owner)
	c := admin(t, s.start(t, both, app.Tuning{Pause: 50 * time.Millisecond}), "1")
	job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: asked}).ID, "the end", mailed)
	if job.State != jobs.Completed || job.Residue == nil || job.Residue.Level != jobs.ResidueLogical {
		t.Errorf("%+v, %+v", job, job.Residue)
	}
	logged := func(what string) {
		t.Helper()
		bookingdb.Wait(t, "the log to tell: "+what, func() bool { return strings.Contains(s.log.String(), what) })
	}
	logged("oubli.analyze may not refresh the statistics, which hold erased values, of")

	// The owner of the tables may refresh them, except those of a table without rows.
	for _, table := range s.Strings(t, "SELECT relid::regclass::text FROM pg_stat_user_tables WHERE schemaname = 'public'") {
		s.Exec(t, "ALTER TABLE "+table+" OWNER TO "+owner)
	}
	tried := s.Int(t, "SELECT tries FROM oubli.residues")
	bookingdb.Wait(t, "two more rounds", func() bool { return s.Int(t, "SELECT tries FROM oubli.residues") >= tried+2 })
	if now := s.inStatistics(t, asked); len(now) != 2 || now["memberships.card_number"] == 0 || now["client_notes.body"] == 0 {
		t.Errorf("statistics contain data of the erased: %v, want those of the two empty tables", now)
	}
	if job = until(t, c, job.ID, "a look", ended); job.Residue.Level != jobs.ResidueLogical {
		t.Errorf("nothing refreshed memberships, and yet: %+v", job.Residue)
	}
	s.Exec(t, `INSERT INTO memberships (client_id, plan, card_number, starts_on, monthly_cents)
		SELECT id, 'monthly', 'M', '2020-01-01', 100 FROM clients LIMIT 1`)
	bookingdb.Wait(t, "the statistics of a table that has a row again", func() bool {
		return s.inStatistics(t, asked)["memberships.card_number"] == 0
	})

	// An operator who is a superuser deletes the rest, and locks nothing.
	scrubber, err := scrub.Open(t.Context(), s.Pool.Config().ConnString(), bookingdb.Map(t))
	if err != nil {
		t.Fatal(err)
	}
	defer scrubber.Close(t.Context())
	done, err := scrubber.Rewrite(t.Context(), scrub.Options{Window: func(time.Time) (time.Time, bool) { return time.Time{}, false }})
	if err != nil || done.Level != jobs.ResidueStatistics || done.Rewritten != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	until(t, c, job.ID, "level 1", residueReached(jobs.ResidueStatistics))
	if now := s.inStatistics(t, asked); len(now) > 0 {
		t.Errorf("statistics contain data of the erased: %v", now)
	}
}

func TestJobsThatEndTogetherShareARound(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := admin(t, s.start(t, both, app.Tuning{}), "1")
	asked := s.plain(t, 1, 5)
	// A job claims the level only after its rows were mixed, which few clients never are.
	refreshed := func(what string, id string) {
		t.Helper()
		until(t, c, id, "the end", ended)
		bookingdb.Wait(t, what, func() bool {
			return s.Int(t, "SELECT count(*) FROM oubli.residues WHERE job_id = $1 AND level >= 1", id) == 1
		})
	}
	refreshed("the first round", mustErase(t, c, apiclient.Erasure{ClientIDs: asked[:1]}).ID)
	var ids []string
	for _, id := range asked[1:] {
		ids = append(ids, until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: []string{id}}).ID, "the end", ended).ID)
	}
	if n := s.Int(t, "SELECT count(*) FROM oubli.residues WHERE level = 0 AND tries = 0"); n != len(ids) {
		t.Errorf("%d of %d jobs wait for the next round", n, len(ids))
	}
	s.Exec(t, "UPDATE oubli.residues SET tried = tried - interval '1 min'")
	for _, id := range ids {
		refreshed("the second round", id)
	}
	if reached := s.Strings(t, "SELECT DISTINCT reached::text FROM oubli.residues ORDER BY 1"); len(slices.Compact(reached)) > 2 {
		// One UPDATE starts all of a round together, though clock_timestamp differs within it.
		if rounds := s.Int(t, "SELECT count(DISTINCT tried) FROM oubli.residues"); rounds != 2 {
			t.Errorf("%d rounds: %v", rounds, reached)
		}
	}
}
