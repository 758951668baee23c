package httpapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/oubli/oubli/jobs"
)

// SelectionStore stores selections.
type SelectionStore interface {
	// Select stores the list of a tenant's inactive clients as it is now.
	Select(ctx context.Context, req jobs.SelectionRequest) (jobs.Selection, error)
	Selection(ctx context.Context, tenant, id string) (jobs.Selection, error)
	// Selections returns one page, the newest first.
	Selections(ctx context.Context, f jobs.SelectionFilter) (jobs.List[jobs.Selection], error)
	// Candidates returns one page of a selection's clients.
	Candidates(ctx context.Context, f jobs.CandidateFilter) (jobs.List[jobs.Candidate], error)
	// Tick excludes and includes candidates.
	Tick(ctx context.Context, tenant, id string, ticks jobs.Ticks) (jobs.Selection, error)
}

// selections registers the routes of /v1/selections. They are for admins only,
// because they show names of clients.
func (a *api) selections() {
	registerBody(a, operation{
		method: http.MethodPost, path: "/v1/selections", id: "create-selection",
		summary: "Select inactive clients",
		description: "Stores the list of clients without any activity since the cutoff, which is `period` before now. " +
			"A future appointment is activity, and so is one that was cancelled or missed. " +
			"Review the list, exclude clients if necessary, and send its id and total to `POST /v1/erasures`. A selection expires after " +
			"one day.",
		who: admins, status: http.StatusCreated, body: smallBody,
		codes:   []string{"tenant_mismatch", "unknown_tenant", "unknown_activity", "bad_period", "period_too_short", "schema_mismatch"},
		example: map[string]any{"period": "P1Y", "without": []any{"appointments"}, "include_new_clients": false},
	}, a.createSelection)
	register(a, operation{
		method: http.MethodGet, path: "/v1/selections", id: "list-selections",
		summary: "List selections",
		description: "Newest first, until they are deleted a day after they have expired. The list has the selections of the token's " +
			"tenant. " +
			"With a token for all tenants (`*`) it has the selections of every tenant, or of the one in `tenant_id`.",
		who: admins, status: http.StatusOK, codes: []string{"tenant_mismatch", "bad_cursor"},
	}, a.listSelections)
	register(a, operation{
		method: http.MethodGet, path: "/v1/selections/{id}", id: "get-selection",
		summary: "Read a selection", description: "The current counts of a selection.",
		who: admins, status: http.StatusOK, codes: []string{"not_found"},
	}, a.getSelection)
	register(a, operation{
		method: http.MethodGet, path: "/v1/selections/{id}/clients", id: "list-selection-clients",
		summary: "List candidates",
		description: "The clients of the selection, with their current names. Names are never stored. " +
			"`show` is `included` (would be erased), `blocked` (protected by a guard), `excluded` (by hand) or `all`. " +
			"`sort` by a time puts clients without any first, and stays as it was when it was first asked for; " +
			"that first page takes longer, because it sorts the whole list once. " + shortPages,
		who: admins, status: http.StatusOK, codes: []string{"not_found", "bad_cursor", "bad_search", "schema_mismatch"},
	}, a.listCandidates)
	registerBody(a, operation{
		method: http.MethodPatch, path: "/v1/selections/{id}", id: "tick-selection",
		summary: "Exclude and include candidates",
		description: "Returns the new counts. Excluding a client who is excluded already changes nothing. " +
			"Including a client whom a guard protects does not make the erasure take it: `still_blocked` says which.",
		who: admins, status: http.StatusOK, body: ticksBody,
		codes:   []string{"not_found", "bad_client_id", "not_a_candidate", "contradiction", "selection_used", "selection_expired"},
		example: map[string]any{"exclude": []any{"4711", "4712"}},
	}, a.tickSelection)
}

// selectionRequest is the body of POST /v1/selections.
type selectionRequest struct {
	TenantID   string   `json:"tenant_id,omitempty" maxLength:"64" doc:"Required with a token for all tenants (*). With any other token it may be left out, and must be the token's tenant"`
	Period     string   `json:"period" pattern:"^P(\\d+Y)?(\\d+M)?(\\d+W)?(\\d+D)?$" doc:"How long the clients must have been inactive, as an ISO 8601 period such as P1Y. At least the map's min_period"`
	Without    []string `json:"without,omitempty" maxItems:"64" nullable:"false" doc:"Kinds of activity that the clients must be without, by their names in the map. Default: all"`
	IncludeNew bool     `json:"include_new_clients,omitempty" doc:"Also select clients who were created after the cutoff"`
}

func (b *selectionRequest) fields() map[string]field {
	return map[string]field{
		"tenant_id": {read: func(r *reader) { r.text(&b.TenantID, jobs.MaxTenantLength, false) }},
		"period": {required: true, read: func(r *reader) {
			s, ok := r.str(r.next())
			if b.Period = s; ok && !jobs.ValidPeriod(s) {
				r.fault("bad_period", "Want an ISO 8601 period of years, months, weeks and days, such as P1Y or P18M.")
			}
		}},
		"without": {read: func(r *reader) {
			r.array(1, maxOverrides, func(tok json.Token) {
				s, ok := r.str(tok)
				switch {
				case !ok:
				case s == "" || len(s) > maxName || !storable(s):
					r.fault("bad_value", "This is not a valid name of an activity.")
				default:
					b.Without = append(b.Without, s)
				}
			})
		}},
		"include_new_clients": {read: func(r *reader) { r.boolean(&b.IncludeNew) }},
	}
}

// ticksRequest is the body of PATCH /v1/selections/{id}.
type ticksRequest struct {
	Exclude []string `json:"exclude,omitempty" maxItems:"10000" nullable:"false" doc:"Keys of candidates to exclude"`
	Include []string `json:"include,omitempty" maxItems:"10000" nullable:"false" doc:"Keys of excluded candidates to include again"`
}

func (b *ticksRequest) fields() map[string]field {
	keys := func(into *[]string) func(*reader) {
		return func(r *reader) {
			r.array(0, jobs.MaxTicks, func(tok json.Token) {
				if key, ok := r.key(tok); ok {
					*into = append(*into, key)
				}
			})
		}
	}
	return map[string]field{"exclude": {read: keys(&b.Exclude)}, "include": {read: keys(&b.Include)}}
}

// SelectionPath is the path of one selection.
type SelectionPath struct {
	ID string `path:"id" doc:"The selection's id, a UUID" example:"0199b4a2-7c1e-7d53-9a1f-0c3a52b4d1a7"`
}

type oneSelection struct {
	Body jobs.Selection
}

type createSelectionOutput struct {
	Location string `header:"Location" doc:"Path of the selection"`
	Body     jobs.Selection
}

func (a *api) createSelection(ctx context.Context, _ *struct{}, b *selectionRequest) (*createSelectionOutput, error) {
	c := callOf(ctx)
	tenant, err := oneTenantFor(c.caller, b.TenantID)
	if err != nil {
		return nil, err
	}
	sel, err := a.Selections.Select(ctx, jobs.SelectionRequest{
		TenantID: tenant, Period: b.Period, Without: b.Without, IncludeNew: b.IncludeNew, CreatedBy: c.caller.Subject,
	})
	if err != nil {
		return nil, err
	}
	return &createSelectionOutput{Location: "/v1/selections/" + sel.ID, Body: normalizedSelection(sel)}, nil
}

func (a *api) getSelection(ctx context.Context, in *SelectionPath) (*oneSelection, error) {
	tenant, id, err := pathOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	sel, err := a.Selections.Selection(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	return &oneSelection{Body: normalizedSelection(sel)}, nil
}

func (a *api) tickSelection(ctx context.Context, in *SelectionPath, b *ticksRequest) (*oneSelection, error) {
	tenant, id, err := pathOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	sel, err := a.Selections.Tick(ctx, tenant, id, jobs.Ticks{Exclude: b.Exclude, Include: b.Include})
	if err != nil {
		return nil, err
	}
	return &oneSelection{Body: normalizedSelection(sel)}, nil
}

// shortPages documents lists that read a bounded number of clients for a page.
const shortPages = "A page that searches or filters reads a bounded number of clients: it may be short, or empty, although `next` is " +
	"there. " +
	"The list ends where `next` is absent."

type listSelectionsInput struct {
	TenantID string `query:"tenant_id" maxLength:"64" doc:"Only selections of this tenant, with a token for all tenants (*)"`
	Paging
}

type selectionList struct {
	Body jobs.List[jobs.Selection]
}

func (a *api) listSelections(ctx context.Context, in *listSelectionsInput) (*selectionList, error) {
	tenant, err := queryTenant(ctx, in.TenantID)
	if err != nil {
		return nil, err
	}
	pg, err := in.page()
	if err != nil {
		return nil, err
	}
	l, err := a.Selections.Selections(ctx, jobs.SelectionFilter{TenantID: tenant, Page: pg})
	if err != nil {
		return nil, err
	}
	items := make([]jobs.Selection, len(l.Items))
	for i, sel := range l.Items {
		items[i] = normalizedSelection(sel)
	}
	return &selectionList{Body: jobs.List[jobs.Selection]{Items: items, Next: l.Next}}, nil
}

type listCandidatesInput struct {
	SelectionPath
	Search string             `query:"search" maxLength:"100" doc:"A key, or words that are all parts of the name"`
	Sort   jobs.CandidateSort `query:"sort" enum:"key,last_activity,created_at" default:"key" doc:"Order; the oldest time first"`
	Show   jobs.CandidateShow `query:"show" enum:"all,included,blocked,excluded" default:"all" doc:"Which candidates"`
	Paging
}

type candidateList struct {
	Body jobs.List[jobs.Candidate]
}

func (a *api) listCandidates(ctx context.Context, in *listCandidatesInput) (*candidateList, error) {
	tenant, id, err := pathOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	pg, err := in.page()
	if err != nil {
		return nil, err
	}
	if err := checkSearch(in.Search); err != nil {
		return nil, err
	}
	l, err := a.Selections.Candidates(ctx, jobs.CandidateFilter{
		TenantID: tenant, SelectionID: id, Search: in.Search, Sort: in.Sort, Show: in.Show, Page: pg,
	})
	if err != nil {
		return nil, err
	}
	if l.Items == nil {
		l.Items = []jobs.Candidate{}
	}
	for i, c := range l.Items {
		l.Items[i].CreatedAt, l.Items[i].LastActivityAt = utc(c.CreatedAt), utc(c.LastActivityAt)
	}
	return &candidateList{Body: l}, nil
}

// normalizedSelection returns the selection with an empty map instead of nil and
// its times in UTC.
func normalizedSelection(s jobs.Selection) jobs.Selection {
	if s.Blocked == nil {
		s.Blocked = map[string]int{}
	}
	s.Cutoff, s.ExpiresAt, s.CreatedAt = s.Cutoff.UTC(), s.ExpiresAt.UTC(), s.CreatedAt.UTC()
	return s
}
