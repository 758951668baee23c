package repository_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

type mergeOption func(*jobs.MergeRequest)

func keepSource(r *jobs.MergeRequest)  { r.DeleteSource = false }
func keepTarget(r *jobs.MergeRequest)  { r.Conflicts = jobs.KeepTarget }
func mergeDryRun(r *jobs.MergeRequest) { r.DryRun, r.Notify = true, nil }

// mergeRequest asks for a merge that deletes its sources, fills blanks and
// fails on conflicts; an empty target is the anonymous profile.
func mergeRequest(tenant, target string, sources []string, change ...mergeOption) jobs.MergeRequest {
	req := jobs.MergeRequest{TenantID: tenant, SourceIDs: sources, Target: target, DeleteSource: true, FillBlanks: true,
		Conflicts: jobs.FailOnConflict, Notify: []string{"admin@studio.example"}, CreatedBy: "test"}
	for _, f := range change {
		f(&req)
	}
	return req
}

func acceptMerge(t *testing.T, s *repository.Store, req jobs.MergeRequest) jobs.Job {
	t.Helper()
	job, replayed, err := s.AcceptMerge(t.Context(), req, jobs.IdempotencyKey{Key: uuid.NewString(), Caller: "test"})
	if err != nil || replayed {
		t.Fatalf("accept merge: replayed %v, %v", replayed, err)
	}
	return job
}

// workMerge does what a worker does to the task of a merge.
func workMerge(t *testing.T, s *repository.Store, db *bookingdb.DB, id string) jobs.Job {
	t.Helper()
	task := db.Strings(t, "SELECT id::text FROM oubli.tasks WHERE job_id = $1 AND kind = 'merge'", id)[0]
	c := mustClaim(t, s, task)
	for c.Left() > 0 {
		if _, err := s.EraseChunk(t.Context(), c, 10); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Finish(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return mergeJob(t, s, id)
}

func mergeJob(t *testing.T, s *repository.Store, id string) jobs.Job {
	t.Helper()
	j, err := s.Job(t.Context(), jobs.Merge, jobs.AnyTenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func merge(t *testing.T, s *repository.Store, db *bookingdb.DB, req jobs.MergeRequest) jobs.Job {
	t.Helper()
	return workMerge(t, s, db, acceptMerge(t, s, req).ID)
}

// separateClasses removes every class that two of the clients share, so that they
// conflict in no unique index.
func separateClasses(t *testing.T, db *bookingdb.DB, keys ...string) {
	t.Helper()
	db.Exec(t, `UPDATE invoice_lines SET participation_id = NULL
		WHERE participation_id IN (SELECT id FROM participations WHERE client_id = ANY($1::text[]::bigint[]))`, keys)
	db.Exec(t, `DELETE FROM participations AS p WHERE client_id = ANY($1::text[]::bigint[]) AND EXISTS (
		SELECT FROM participations AS q
		WHERE q.session_id = p.session_id AND q.client_id = ANY($1::text[]::bigint[]) AND q.client_id < p.client_id)`, keys)
}

// sameClass puts two clients into one class, and bills the first for it.
func sameClass(t *testing.T, db *bookingdb.DB, source, target string) (session, billed string) {
	t.Helper()
	separateClasses(t, db, source, target)
	session = db.Strings(t, `
		SELECT min(s.id)::text FROM class_sessions AS s JOIN clients AS c USING (studio_id)
		WHERE c.id = $1::text::bigint AND NOT EXISTS (
		  SELECT FROM participations
		  WHERE session_id = s.id AND client_id = ANY(ARRAY[$1, $2]::text[]::bigint[]))`, source, target)[0]
	db.Exec(t, `INSERT INTO participations (session_id, client_id, status, price_cents, paid_cents)
		SELECT $1::text::bigint, unnest(ARRAY[$2, $3]::text[]::bigint[]), 'attended', 1500, 1500`, session, source, target)
	billed = db.Strings(t, `INSERT INTO invoice_lines (invoice_id, participation_id, description, amount_cents)
		SELECT (SELECT min(id) FROM invoices WHERE client_id = $2::text::bigint), p.id, 'class', 1500 FROM participations AS p
		WHERE session_id = $1::text::bigint AND client_id = $2::text::bigint RETURNING id::text`, session, source)[0]
	return session, billed
}

// recount makes the totals of now those that must stay.
func recount(t *testing.T, db *bookingdb.DB) {
	t.Helper()
	totals, err := booking.Totals(t.Context(), db.Pool)
	if err != nil {
		t.Fatal(err)
	}
	db.Totals = totals
}

// pair returns two clients of tenant 1 with rows in every table.
func pair(t *testing.T, db *bookingdb.DB) (source, target string) {
	t.Helper()
	erasable(t, db)
	found := db.Strings(t, `SELECT c.id::text FROM clients AS c WHERE studio_id = 1 AND NOT is_anonymous
		AND EXISTS (SELECT FROM invoices WHERE client_id = c.id) AND EXISTS (SELECT FROM appointments WHERE client_id = c.id)
		AND EXISTS (SELECT FROM participations WHERE client_id = c.id)
		AND EXISTS (SELECT FROM consents WHERE client_id = c.id)
		ORDER BY id LIMIT 2`)
	return found[0], found[1]
}

const owned = `SELECT client_id || ' ' || what || ' ' || n FROM (
	SELECT client_id, 'appointments' AS what, count(*) AS n FROM appointments GROUP BY 1
	UNION ALL SELECT client_id, 'participations', count(*) FROM participations GROUP BY 1
	UNION ALL SELECT client_id, 'invoices', count(*) FROM invoices GROUP BY 1
	UNION ALL SELECT client_id, 'notes', count(*) FROM client_notes GROUP BY 1
	UNION ALL SELECT client_id, 'messages', count(*) FROM messages GROUP BY 1
	UNION ALL SELECT client_id, 'memberships', count(*) FROM memberships GROUP BY 1
	UNION ALL SELECT client_id, 'consents', count(*) FROM consents GROUP BY 1
	UNION ALL SELECT subject_id, 'audit', count(*) FROM audit_log WHERE subject_type = 'Client' GROUP BY 1) AS a
	WHERE client_id::text = $1`

// belongings counts a client's rows by table.
func belongings(t *testing.T, db *bookingdb.DB, key string) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, line := range db.Strings(t, owned, key) {
		var id, what string
		var count int
		if _, err := fmt.Sscan(line, &id, &what, &count); err != nil {
			t.Fatal(err)
		}
		n[what] = count
	}
	return n
}

func TestAMergeMovesTheSourcesRowsAndDeletesTheSource(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	source, target := pair(t, db)
	separateClasses(t, db, source, target)
	db.Exec(t, "UPDATE clients SET referred_by = $1::text::bigint WHERE id = $2::text::bigint", source, target)
	db.Exec(t, "UPDATE clients SET phone = NULL, email = '  ' || $1 || '@kept.example' WHERE id = $1::text::bigint", target)
	db.Exec(t, "UPDATE clients SET phone = '+33 1', email = 'source@blank.example' WHERE id = $1::text::bigint", source)
	recount(t, db)
	untouched := db.Untouched(t, []string{source, target})
	of, to := belongings(t, db, source), belongings(t, db, target)
	s := open(t, db)

	j := merge(t, s, db, mergeRequest("1", target, []string{source}))
	if j.State != jobs.Completed || j.Counts.Erased != 1 || j.Counts.Total() != 1 {
		t.Fatalf("job: %+v", j)
	}
	if len(db.Existing(t, []string{source})) != 0 || len(belongings(t, db, source)) != 0 {
		t.Errorf("the source still has %v", belongings(t, db, source))
	}
	want := maps.Clone(to)
	for what, n := range of {
		if what != "consents" { // given for one profile, and never lent to another
			want[what] += n
		}
	}
	if got := belongings(t, db, target); !maps.Equal(got, want) {
		t.Errorf("the target has %v, want %v", got, want)
	}
	if j.Rows["appointments"] != int64(of["appointments"]) || j.Rows["consents"] != int64(of["consents"]) {
		t.Errorf("rows: %v, the source had %v", j.Rows, of)
	}
	const own = "SELECT concat_ws(' ', phone, btrim(email), referred_by) FROM clients WHERE id = $1::text::bigint"
	if got := db.Strings(t, own, target)[0]; got != "+33 1 "+target+"@kept.example" {
		t.Errorf("the target's own row: %s", got)
	}
	db.SameTotals(t)
	if got := db.Untouched(t, []string{source, target}); fmt.Sprint(got) != fmt.Sprint(untouched) {
		t.Errorf("others were touched:\nbefore %v\nafter  %v", untouched, got)
	}
}

func TestABlankColumnWithAUniqueIndexIsFilledToo(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	source, target := pair(t, db)
	separateClasses(t, db, source, target)
	db.Exec(t, `UPDATE clients SET email = CASE WHEN id = $1::text::bigint THEN 'only@one.example' END
		WHERE id = ANY(ARRAY[$1, $2]::text[]::bigint[])`, source, target)
	s := open(t, db)
	if j := merge(t, s, db, mergeRequest("1", target, []string{source})); j.State != jobs.Completed {
		t.Fatalf("job: %+v", j)
	}
	if got := db.Strings(t, "SELECT email FROM clients WHERE id = $1::text::bigint", target); len(got) != 1 || got[0] != "only@one.example" {
		t.Errorf("the target's email: %q", got)
	}
}

func TestAMergeThatKeepsItsSourceLeavesItWithoutItsRows(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	source, target := pair(t, db)
	separateClasses(t, db, source, target)
	db.Exec(t, "UPDATE clients SET email = NULL, phone = NULL WHERE id = ANY(ARRAY[$1, $2]::text[]::bigint[])", source, target)
	db.Exec(t, "UPDATE clients SET email = 'mine@stays.example', phone = '+33 2' WHERE id = $1::text::bigint", source)
	s := open(t, db)
	j := merge(t, s, db, mergeRequest("1", target, []string{source}, keepSource))
	if j.State != jobs.Completed || len(db.Existing(t, []string{source})) != 1 {
		t.Fatalf("job: %+v", j)
	}
	if got := belongings(t, db, source); len(got) != 0 {
		t.Errorf("the source still has %v", got)
	}
	// Two clients of a tenant cannot have the same address.
	if got := db.Strings(t, "SELECT concat_ws(' ', phone, email) FROM clients WHERE id = $1::text::bigint", target)[0]; got != "+33 2" {
		t.Errorf("the target's own row: %s", got)
	}
}

func TestConflictsAreListedAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	source, target := pair(t, db)
	sameClass(t, db, source, target)
	before := db.Untouched(t, []string{"0"})
	s := open(t, db)
	j := merge(t, s, db, mergeRequest("1", target, []string{source}))
	if j.State != jobs.Failed || j.Counts.Failed != 1 || j.Exceptions[jobs.CodeConflict] != 1 {
		t.Errorf("job: %+v", j)
	}
	if !maps.Equal(j.Merge.Found, map[string]int64{"participations": 1}) {
		t.Errorf("conflicts: %v", j.Merge.Found)
	}
	if after := db.Untouched(t, []string{"0"}); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("something changed:\nbefore %v\nafter  %v", before, after)
	}
}

func TestInAConflictTheTargetsRowStaysAndRowsBelowTheOtherMoveToIt(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	source, target := pair(t, db)
	session, billed := sameClass(t, db, source, target)
	s := open(t, db)
	j := merge(t, s, db, mergeRequest("1", target, []string{source}, keepTarget))
	if j.State != jobs.Completed || j.Merge.Found["participations"] != 1 {
		t.Fatalf("job: %+v", j)
	}
	if got := db.Int(t, `SELECT count(*) FROM invoice_lines AS l JOIN participations AS p ON p.id = l.participation_id
		WHERE l.id = $1::text::bigint AND p.session_id = $2::text::bigint AND p.client_id = $3::text::bigint`,
		billed, session, target); got != 1 {
		t.Error("the invoice's line does not refer to the target's place in the class")
	}
}

func TestRowsThatCarryValueAreNeverDropped(t *testing.T) {
	t.Parallel()
	for _, conflicts := range []jobs.ConflictRule{jobs.FailOnConflict, jobs.KeepTarget} {
		s := newShape(t, noTenant+`tables:
  - {table: wallets, reference: client_id, erase: delete, carries_value: true}
`, noTenantSQL+`CREATE TABLE wallets (client_id bigint NOT NULL UNIQUE REFERENCES clients, cents bigint NOT NULL);
INSERT INTO wallets VALUES (1, 700), (2, 50), (3, 10)`)
		j := merge(t, s.store, s.DB, mergeRequest("1", "2", []string{"1", "4"}, func(r *jobs.MergeRequest) { r.Conflicts = conflicts }))
		if j.State != jobs.CompletedWithExceptions || j.Exceptions[jobs.CodeValueConflict] != 1 || j.Merge.Found["wallets"] != 1 {
			t.Errorf("%s: %+v", conflicts, j)
		}
		s.is(t, "SELECT * FROM wallets ORDER BY 1", "1 700", "2 50", "3 10")
		s.is(t, "SELECT count(*) FROM clients WHERE id IN (1, 4)", "1")
	}
}

func TestASourceKeepsItsRowsThatCarryValueWhenTheyDoNotMove(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: wallets, reference: client_id, erase: delete, merge: keep, carries_value: true}
`, noTenantSQL+`CREATE TABLE wallets (client_id bigint NOT NULL REFERENCES clients, cents bigint NOT NULL);
CREATE INDEX ON wallets (client_id);
INSERT INTO wallets VALUES (1, 700)`)
	j := merge(t, s.store, s.DB, mergeRequest("1", "2", []string{"1"}, keepTarget))
	if j.State != jobs.Failed || j.Exceptions[jobs.CodeValueConflict] != 1 {
		t.Errorf("job: %+v", j)
	}
	s.is(t, "SELECT * FROM wallets", "1 700")
	j = merge(t, s.store, s.DB, mergeRequest("1", "2", []string{"1"}, keepSource))
	if j.State != jobs.Completed {
		t.Errorf("job: %+v", j)
	}
	s.is(t, "SELECT * FROM wallets", "1 700")
}

func TestTheAnonymousProfileTakesOverWhatAnErasureLeaves(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	recount(t, db)
	sources := db.Clients(t, 1, 40)
	untouched := db.Untouched(t, sources)
	s := open(t, db)
	j := merge(t, s, db, mergeRequest("1", "", sources))
	if j.State != jobs.Completed || j.Counts.Erased+j.Counts.ErasedRetained != len(sources) ||
		j.Counts.ErasedRetained == 0 || j.RetainedUntil == nil {
		t.Fatalf("job: %+v", j)
	}
	if left := db.Existing(t, sources); len(left) != 0 {
		t.Errorf("%d sources are left", len(left))
	}
	db.SameTotals(t)
	db.NoTraces(t, sources)
	if got := db.Untouched(t, sources); fmt.Sprint(got) != fmt.Sprint(untouched) {
		t.Errorf("others were touched:\nbefore %v\nafter  %v", untouched, got)
	}
}

func TestTheAnonymousProfileCanTakeOverAndLeaveTheSource(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	recount(t, db)
	sources := db.Clients(t, 1, 5)
	s := open(t, db)
	j := merge(t, s, db, mergeRequest("1", "", sources, keepSource))
	if j.State != jobs.Completed || len(db.Existing(t, sources)) != len(sources) {
		t.Fatalf("job: %+v", j)
	}
	for _, source := range sources {
		if got := belongings(t, db, source); len(got) != 0 {
			t.Errorf("client %s still has %v", source, got)
		}
	}
	db.SameTotals(t)
}

func TestAGuardOfTheSourcesOwnRowHoldsAndOneOfRowsThatMoveDoesNot(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	source, target := pair(t, db)
	separateClasses(t, db, source, target)
	db.Exec(t, "UPDATE invoices SET status = 'open' WHERE client_id = $1::text::bigint", source)
	s := open(t, db)
	db.Exec(t, "UPDATE clients SET balance_cents = -100 WHERE id = $1::text::bigint", source)
	j := merge(t, s, db, mergeRequest("1", target, []string{source}))
	if j.State != jobs.CompletedWithExceptions || j.Exceptions["unpaid_balance"] != 1 || len(belongings(t, db, source)) == 0 {
		t.Errorf("with a balance: %+v", j)
	}
	db.Exec(t, "UPDATE clients SET balance_cents = 0 WHERE id = $1::text::bigint", source)
	if j = merge(t, s, db, mergeRequest("1", "", []string{source})); j.Exceptions["open_invoice"] != 1 {
		t.Errorf("into nobody with an open invoice: %+v", j)
	}
	if j = merge(t, s, db, mergeRequest("1", target, []string{source})); j.State != jobs.Completed {
		t.Errorf("with an open invoice: %+v", j)
	}
}

func TestAMergeOfAClientOfAnotherTenantIsRefusedAndNothingIsStored(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db)
	mine, theirs := db.Clients(t, 1, 3), db.Clients(t, 2, 1)
	merge(t, s, db, mergeRequest("1", "", mine[2:])) // makes the profile
	profile := db.Strings(t, "SELECT client_key FROM oubli.anonymous_profiles WHERE tenant_id = '1' AND slot = 1")[0]
	before := db.Int(t, "SELECT count(*) FROM oubli.jobs")
	for _, c := range []struct {
		code string
		req  jobs.MergeRequest
	}{
		{"target_is_source", mergeRequest("1", mine[0], []string{mine[1], "0" + mine[0]})},
		{"unknown_target", mergeRequest("1", theirs[0], mine[:1])},
		{"unknown_target", mergeRequest("1", "99999999", mine[:1])},
		{"unknown_source", mergeRequest("1", mine[0], []string{mine[1], theirs[0]})},
		{"unknown_source", mergeRequest("1", "", mine[1:])}, // one is gone already
		{"target_is_anonymous", mergeRequest("1", profile, mine[:1])},
		{"source_is_anonymous", mergeRequest("1", mine[0], []string{profile})},
		{"bad_client_id", mergeRequest("1", "'; DROP", mine[:1])},
		{"bad_client_id", mergeRequest("1", mine[0], []string{"x"})},
		{"unknown_tenant", mergeRequest("999", "", mine[:1])},
	} {
		_, _, err := s.AcceptMerge(t.Context(), c.req, jobs.IdempotencyKey{Key: uuid.NewString(), Caller: "test"})
		e, ok := errors.AsType[*jobs.Error](err)
		if !ok || e.Kind != jobs.Invalid || e.Code != c.code && !(c.code == "unknown_tenant" && e.Code == "unknown_source") {
			t.Errorf("%s: %v", c.code, err)
		}
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.jobs"); n != before {
		t.Errorf("%d jobs, want %d", n, before)
	}
}

func TestADoubleClickMergesOnce(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	source, target := pair(t, db)
	separateClasses(t, db, source, target)
	s := open(t, db)
	req := mergeRequest("1", target, []string{source})
	key := jobs.IdempotencyKey{Key: "click", Caller: "test"}
	first, _, err := s.AcceptMerge(t.Context(), req, key)
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := s.AcceptMerge(t.Context(), req, jobs.IdempotencyKey{Key: "click again", Caller: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if j := workMerge(t, s, db, first.ID); j.State != jobs.Completed {
		t.Errorf("first: %+v", j)
	}
	after := belongings(t, db, target)
	again, replayed, err := s.AcceptMerge(t.Context(), req, key)
	if err != nil || !replayed || again.ID != first.ID || again.Merge == nil || again.Merge.Target != "" || !again.Merge.DeleteSource {
		t.Errorf("the same key again: %+v, %v, %v", again, replayed, err)
	}
	if j := workMerge(t, s, db, second.ID); j.State != jobs.CompletedWithExceptions || j.Counts.NotFound != 1 {
		t.Errorf("second: %+v", j)
	}
	if got := belongings(t, db, target); !maps.Equal(got, after) {
		t.Errorf("the second click changed the target: %v, was %v", got, after)
	}
}

func TestADryRunOfAMergeSaysWhatItWouldDoAndChangesNothing(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	source, target := pair(t, db)
	sameClass(t, db, source, target)
	before := db.Untouched(t, []string{"0"})
	s := open(t, db)
	dry := merge(t, s, db, mergeRequest("1", target, []string{source}, keepTarget, mergeDryRun))
	nobody := merge(t, s, db, mergeRequest("1", "", []string{source}, mergeDryRun))
	if after := db.Untouched(t, []string{"0"}); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("something changed:\nbefore %v\nafter  %v", before, after)
	}
	if nobody.State != jobs.Completed || nobody.Rows["appointments"] == 0 {
		t.Errorf("into nobody: %+v", nobody)
	}
	real := merge(t, s, db, mergeRequest("1", target, []string{source}, keepTarget))
	if !maps.Equal(dry.Rows, real.Rows) || dry.Counts != real.Counts || !maps.Equal(dry.Merge.Found, real.Merge.Found) || !dry.DryRun {
		t.Errorf("the dry run said %+v, and it was %+v", dry, real)
	}
}

func TestNothingRecordsWhichClientWasMergedIntoWhich(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	source, target := pair(t, db)
	separateClasses(t, db, source, target)
	s := open(t, db)
	open := acceptMerge(t, s, mergeRequest("1", target, []string{source}))
	mentions := func() (n int) {
		const tables = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'oubli'::regnamespace AND relkind = 'r'"
		for _, table := range db.Strings(t, tables) {
			for _, row := range db.Strings(t, "SELECT t::text FROM "+table+" AS t") {
				if strings.Contains(row, `"`+target+`"`) || strings.Contains(row, "{"+target+"}") {
					n++
				}
			}
		}
		return n
	}
	if mentions() != 1 {
		t.Errorf("an open merge is mentioned %d times with its target, want once", mentions())
	}
	workMerge(t, s, db, open.ID)
	// Second looks name the target for as long as late rows of the source move to it.
	db.Exec(t, "DELETE FROM oubli.second_looks")
	if n := mentions(); n != 0 {
		t.Errorf("the target is mentioned %d times after the end", n)
	}
	last := db.Strings(t, "SELECT max(id)::text FROM clients WHERE studio_id = 1 AND NOT is_anonymous")
	cancelled := acceptMerge(t, s, mergeRequest("1", target, last))
	if _, err := s.Cancel(t.Context(), jobs.Merge, "1", cancelled.ID); err != nil || mentions() != 0 {
		t.Errorf("after cancelling: %v, mentioned %d times", err, mentions())
	}
}
