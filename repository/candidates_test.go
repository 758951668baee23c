package repository_test

import (
	"slices"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// shown reads all pages of a selection under a filter.
func shown(t *testing.T, s *repository.Store, f jobs.CandidateFilter) []jobs.Candidate {
	t.Helper()
	f.TenantID = "1"
	var all []jobs.Candidate
	for {
		l, err := s.Candidates(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l.Items...)
		if f.Cursor = l.Next; f.Cursor == "" {
			return all
		}
	}
}

func keysOf(all []jobs.Candidate) []string {
	keys := make([]string, len(all))
	for i, c := range all {
		keys[i] = c.ClientID
	}
	return keys
}

func TestFiltersShowEachCandidateUnderOneStateAndAddUpToAll(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 2000)
	s := open(t, db)
	sel := selectYear(t, s)
	all := shown(t, s, jobs.CandidateFilter{SelectionID: sel.ID, Page: jobs.Page{Limit: 100}})
	out := []string{all[1].ClientID, all[5].ClientID, all[6].ClientID}
	sel, err := s.Tick(t.Context(), "1", sel.ID, jobs.Ticks{Exclude: out})
	if err != nil {
		t.Fatal(err)
	}
	n := map[jobs.CandidateShow]int{}
	for show, fits := range map[jobs.CandidateShow]func(jobs.Candidate) bool{
		jobs.ShowIncluded: func(c jobs.Candidate) bool { return c.Included && c.Blocked == nil },
		jobs.ShowBlocked:  func(c jobs.Candidate) bool { return !c.Included && c.Blocked != nil },
		jobs.ShowExcluded: func(c jobs.Candidate) bool { return !c.Included && slices.Contains(out, c.ClientID) },
	} {
		page := shown(t, s, jobs.CandidateFilter{SelectionID: sel.ID, Show: show, Page: jobs.Page{Limit: 7}})
		n[show] = len(page)
		for _, c := range page {
			if !fits(c) {
				t.Errorf("%s shows %+v", show, c)
			}
		}
		if !slices.IsSortedFunc(page, func(a, b jobs.Candidate) int { return number(a.ClientID) - number(b.ClientID) }) {
			t.Errorf("%s is not in the order of keys", show)
		}
	}
	if n[jobs.ShowIncluded] != sel.Total || n[jobs.ShowBlocked] != sum(sel.Blocked) || n[jobs.ShowExcluded] != len(out) {
		t.Errorf("shown %v, the selection says %+v", n, sel)
	}
}

func TestSortedCandidatesAreTheSameOnesByTime(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 2000)
	s := open(t, db, func(o *repository.Options) { o.URL = db.APIURL })
	sel := selectYear(t, s)
	all := keysOf(shown(t, s, jobs.CandidateFilter{SelectionID: sel.ID, Page: jobs.Page{Limit: 100}}))
	for sort, at := range map[jobs.CandidateSort]func(jobs.Candidate) *time.Time{
		jobs.SortLastActivity: func(c jobs.Candidate) *time.Time { return c.LastActivityAt },
		jobs.SortCreatedAt:    func(c jobs.Candidate) *time.Time { return c.CreatedAt },
	} {
		page := shown(t, s, jobs.CandidateFilter{SelectionID: sel.ID, Sort: sort, Page: jobs.Page{Limit: 64}})
		for i := 1; i < len(page); i++ {
			a, b := at(page[i-1]), at(page[i])
			if a != nil && (b == nil || b.Before(*a)) {
				t.Fatalf("by %s: %v before %v", sort, a, b)
			}
		}
		got := keysOf(page)
		slices.SortFunc(got, func(a, b string) int { return number(a) - number(b) })
		if !slices.Equal(got, all) {
			t.Errorf("by %s there are %d candidates, want %d", sort, len(got), len(all))
		}
	}
}

func TestASearchAmongCandidatesFindsThoseOfTheSelectionOnly(t *testing.T) {
	t.Parallel()
	for _, indexed := range []bool{false, true} {
		t.Run(map[bool]string{false: "without an index", true: "with an index"}[indexed], func(t *testing.T) {
			t.Parallel()
			db := bookingdb.New(t, 2000)
			if indexed {
				withTrigrams(t, db)
			}
			s := open(t, db)
			sel := selectYear(t, s)
			all := keysOf(shown(t, s, jobs.CandidateFilter{SelectionID: sel.ID, Page: jobs.Page{Limit: 100}}))
			want := []string{all[2], all[30], all[31], all[len(all)-1]}
			active := without(db.Clients(t, 1, 400), all)
			db.Exec(t, "UPDATE clients SET last_name = 'Qwertzu' WHERE id = ANY($1::text[]::bigint[])", append(active[:3:3], want...))
			for _, sort := range []jobs.CandidateSort{jobs.SortKey, jobs.SortLastActivity} {
				got := keysOf(shown(t, s, jobs.CandidateFilter{SelectionID: sel.ID, Search: "qwertz", Sort: sort,
					Page: jobs.Page{Limit: 3}}))
				slices.SortFunc(got, func(a, b string) int { return number(a) - number(b) })
				if !slices.Equal(got, want) {
					t.Errorf("by %s: %v, want %v", sort, got, want)
				}
			}
			if got := keysOf(shown(t, s, jobs.CandidateFilter{SelectionID: sel.ID, Search: want[1],
				Page: jobs.Page{Limit: 3}})); len(got) == 0 || got[0] != want[1] {
				t.Errorf("the key finds %v", got)
			}
			if got := shown(t, s, jobs.CandidateFilter{SelectionID: sel.ID, Search: active[0], Page: jobs.Page{Limit: 3}}); len(got) != 0 {
				t.Errorf("the key of a client who is no candidate finds %v", keysOf(got))
			}
		})
	}
}

func TestSelectionsAreListedNewestFirstAndOnlyToTheirTenant(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	var want []string
	for range 5 {
		want = append([]string{selectYear(t, s).ID}, want...)
	}
	selectYear(t, s, func(r *jobs.SelectionRequest) { r.TenantID = "2" })
	var got []string
	f := jobs.SelectionFilter{TenantID: "1", Page: jobs.Page{Limit: 2}}
	for {
		l, err := s.Selections(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, sel := range l.Items {
			got = append(got, sel.ID)
			if sel.TenantID != "1" || sel.CreatedBy != "test" || sel.CreatedAt.IsZero() || sel.Total == 0 {
				t.Errorf("%+v", sel)
			}
		}
		if f.Cursor = l.Next; f.Cursor == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if l, err := s.Selections(t.Context(), jobs.SelectionFilter{TenantID: jobs.AnyTenant, Page: jobs.Page{Limit: 9}}); err != nil ||
		len(l.Items) != 6 {
		t.Errorf("a service sees %d, %v", len(l.Items), err)
	}
}

func TestAnIncludeThatCannotTakeEffectIsSaid(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	sel := selectYear(t, s)
	held := shown(t, s, jobs.CandidateFilter{SelectionID: sel.ID, Show: jobs.ShowBlocked, Page: jobs.Page{Limit: 9}})[0]
	free := shown(t, s, jobs.CandidateFilter{SelectionID: sel.ID, Show: jobs.ShowIncluded, Page: jobs.Page{Limit: 9}})[0]
	both := []string{held.ClientID, free.ClientID}
	out, err := s.Tick(t.Context(), "1", sel.ID, jobs.Ticks{Exclude: both})
	if err != nil || out.Total != sel.Total-1 || len(out.StillBlocked) != 0 {
		t.Fatalf("excluded: %+v, %v", out, err)
	}
	in, err := s.Tick(t.Context(), "1", sel.ID, jobs.Ticks{Include: both})
	if err != nil || in.Total != sel.Total {
		t.Fatalf("included: %+v, %v", in, err)
	}
	if len(in.StillBlocked) != 1 || in.StillBlocked[held.ClientID] != *held.Blocked {
		t.Errorf("still blocked: %v, want %s", in.StillBlocked, held.ClientID)
	}
}
