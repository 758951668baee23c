package repository_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

func selectYear(t *testing.T, s *repository.Store, change ...func(*jobs.SelectionRequest)) jobs.Selection {
	t.Helper()
	req := jobs.SelectionRequest{TenantID: "1", Period: "P1Y", CreatedBy: "test"}
	for _, f := range change {
		f(&req)
	}
	sel, err := s.Select(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return sel
}

// candidates reads a whole selection, page by page.
func candidates(t *testing.T, s *repository.Store, id string, limit int) []jobs.Candidate {
	t.Helper()
	var all []jobs.Candidate
	page := jobs.Page{Limit: limit}
	for {
		l, err := s.Candidates(t.Context(), jobs.CandidateFilter{TenantID: "1", SelectionID: id, Page: page})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l.Items...)
		if l.Next == "" {
			return all
		}
		page.Cursor = l.Next
	}
}

func sum(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}

func TestASelectionHasExactlyTheClientsThatANaiveReadingOfTheRuleFinds(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 1000)
	s := open(t, db)
	// The naive reading: look at each client's every appointment.
	naive := func(cutoff time.Time, includeNew bool) []string {
		return db.Strings(t, `
			SELECT c.id::text FROM clients c LEFT JOIN appointments a ON a.client_id = c.id
			WHERE c.studio_id = 1 AND NOT c.is_anonymous AND ($2 OR c.created_at < $1)
			GROUP BY c.id HAVING coalesce(bool_and(a.starts_at < $1), true) ORDER BY c.id`, cutoff, includeNew)
	}
	for _, period := range []string{"P1Y", "P18M", "P400D", "P26W", "P1Y6M"} {
		for _, includeNew := range []bool{false, true} {
			sel := selectYear(t, s, func(r *jobs.SelectionRequest) { r.Period, r.IncludeNew = period, includeNew })
			got := candidates(t, s, sel.ID, 77)
			keys := make([]string, len(got))
			included := 0
			for i, c := range got {
				keys[i] = c.ClientID
				if c.Included {
					included++
				}
				if c.Name == nil || *c.Name == "" || c.CreatedAt == nil || (c.LastActivityAt != nil &&
					!c.LastActivityAt.Before(sel.Cutoff)) {
					t.Errorf("candidate %+v", c)
				}
			}
			if want := naive(sel.Cutoff, includeNew); !slices.Equal(keys, want) {
				t.Errorf("%s, new ones %v: %d candidates, a naive reading finds %d", period, includeNew, len(keys), len(want))
			}
			if included != sel.Total || sel.Total+sum(sel.Blocked) != len(got) {
				t.Errorf("%s: %d are included, total %d and %v of %d", period, included, sel.Total, sel.Blocked, len(got))
			}
		}
	}
}

func TestActivityAtTheCutoffItselfKeepsAClientAndSoDoesACancelledOne(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	sel := selectYear(t, s)
	in := slices.DeleteFunc(candidates(t, s, sel.ID, 1000), func(c jobs.Candidate) bool { return !c.Included || c.LastActivityAt == nil })
	last := `UPDATE appointments SET starts_at = $2, status = $3
		WHERE id = (SELECT max(id) FROM appointments WHERE client_id = $1::text::bigint)`
	db.Exec(t, last, in[0].ClientID, sel.Cutoff, "completed")
	db.Exec(t, last, in[1].ClientID, sel.Cutoff.Add(-time.Microsecond), "completed")
	db.Exec(t, last, in[2].ClientID, time.Now().Add(time.Hour), "cancelled")
	db.Exec(t, last, in[3].ClientID, time.Now().Add(-time.Hour), "no_show")

	j, _, err := s.AcceptErasure(t.Context(), jobs.ErasureRequest{
		TenantID:      "1",
		SelectionID:   sel.ID,
		ExpectedCount: sel.Total,
		Reason:        jobs.Inactivity,
		CreatedBy:     "test",
	}, jobs.IdempotencyKey{Key: "k", Caller: "test"})
	if err != nil {
		t.Fatal(err)
	}
	work(t, s, 100)
	if got := job(t, s, j.ID); got.Exceptions[jobs.CodeRecentActivity] != 3 {
		t.Errorf("job: %+v", got)
	}
	left := db.Existing(t, []string{in[0].ClientID, in[1].ClientID, in[2].ClientID, in[3].ClientID})
	if len(left) != 3 || slices.Contains(left, in[1].ClientID) {
		t.Errorf("left are %v, want all but %s, whose last appointment was before the cutoff", left, in[1].ClientID)
	}
}

func TestAnErasureTakesTheSelectionAsItWasConfirmedAndOnce(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 1000)
	s := open(t, db)
	sel := selectYear(t, s)
	all := candidates(t, s, sel.ID, 500)
	var in []string
	for _, c := range all {
		if c.Included {
			in = append(in, c.ClientID)
		}
	}
	sel, err := s.Tick(t.Context(), "1", sel.ID, jobs.Ticks{Exclude: in[:5]})
	if err != nil || sel.Total != len(in)-5 || sel.Excluded != 5 {
		t.Fatalf("after unticking five of %d: %+v, %v", len(in), sel, err)
	}
	if sel, err = s.Tick(t.Context(), "1", sel.ID, jobs.Ticks{Include: in[:2]}); err != nil || sel.Total != len(in)-3 {
		t.Fatalf("after ticking two again: %+v, %v", sel, err)
	}
	if _, err := s.Tick(t.Context(), "1", sel.ID, jobs.Ticks{Exclude: []string{"999999999"}}); jobs.KindOf(err) != jobs.Invalid {
		t.Errorf("unticking another tenant.s client: %v", err)
	}
	request := jobs.ErasureRequest{TenantID: "1", SelectionID: sel.ID, ExpectedCount: len(in), Reason: jobs.Inactivity, CreatedBy: "test"}
	try := func(key string) (jobs.Job, error) {
		job, _, err := s.AcceptErasure(t.Context(), request, jobs.IdempotencyKey{Key: key, Caller: "test"})
		return job, err
	}
	if _, err := try("wrong"); jobs.KindOf(err) != jobs.Conflict {
		t.Fatalf("another count than expected: %v, want a conflict", err)
	}
	// Between preview and confirmation somebody books, and one is put on hold.
	db.Exec(t, `INSERT INTO appointments (studio_id, client_id, starts_at, status, price_cents, client_name, service)
		VALUES (1, $1::text::bigint, now() - interval '1 hour', 'completed', 0, 'x', 'x')`, in[10])
	db.Exec(t, "UPDATE clients SET legal_hold = true WHERE id = $1::text::bigint", in[11])
	request.ExpectedCount = sel.Total
	j, err := try("right")
	if err != nil || j.Requested != sel.Total {
		t.Fatalf("erasure: %+v, %v", j, err)
	}
	if _, err := try("again"); jobs.KindOf(err) != jobs.Conflict {
		t.Errorf("a used selection: %v, want a conflict", err)
	}
	work(t, s, 50)
	got := job(t, s, j.ID)
	if got.Counts.Skipped != 2 || got.Counts.Pending != 0 ||
		got.Exceptions[jobs.CodeRecentActivity] != 1 || got.Exceptions["legal_hold"] != 1 {
		t.Errorf("job: %+v", got)
	}
	left := db.Existing(t, in)
	want := []string{in[2], in[3], in[4], in[10], in[11]}
	slices.Sort(left)
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left are %v, want the three unticked, the active and the held: %v", left, want)
	}
	db.SameTotalsBut(t, 1)
}

func TestAPeriodIsCheckedAndHasAFloor(t *testing.T) {
	t.Parallel()
	s := open(t, bookingdb.New(t, 600))
	for period, code := range map[string]string{
		"P1D":     "period_too_short",
		"P0D":     "period_too_short",
		"-P1Y":    "bad_period",
		"1 year":  "bad_period",
		"PT5H":    "bad_period",
		"P":       "bad_period",
		"P99999Y": "bad_period",
		"soon":    "bad_period",
		"":        "bad_period",
	} {
		_, err := s.Select(t.Context(), jobs.SelectionRequest{TenantID: "1", Period: period})
		if e, ok := errors.AsType[*jobs.Error](err); !ok || e.Code != code {
			t.Errorf("period %q: %v, want %s", period, err, code)
		}
	}
	yoga := jobs.SelectionRequest{TenantID: "1", Period: "P1Y", Without: []string{"yoga"}}
	if _, err := s.Select(t.Context(), yoga); jobs.KindOf(err) != jobs.Invalid {
		t.Errorf("an unknown activity: %v", err)
	}
	if _, err := s.Select(t.Context(), jobs.SelectionRequest{TenantID: "77", Period: "P1Y"}); jobs.KindOf(err) != jobs.Invalid {
		t.Errorf("an unknown tenant: %v", err)
	}
	sel := selectYear(t, s)
	if _, err := s.Selection(t.Context(), "2", sel.ID); jobs.KindOf(err) != jobs.Missing {
		t.Errorf("another tenant's selection: %v", err)
	}
}
