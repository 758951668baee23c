package httpapi

import (
	"context"
	"sync"
	"time"

	"github.com/oubli/oubli/jobs"
)

// memoryStore implements Stores in memory, as far as the tests of the API need it.
type memoryStore struct {
	mu         sync.Mutex
	jobs       map[string]jobs.Job
	hashes     map[string][32]byte
	first      map[string]string
	requests   []jobs.ErasureRequest
	merges     []jobs.MergeRequest
	selections []jobs.SelectionRequest
	filters    []jobs.Filter
	clients    []jobs.ExceptionFilter
	retentions []string // tenants asked for
	followed   []string // likewise
	offered    []jobs.ConsoleRequest
	listed     []jobs.SelectionFilter
	candidates []jobs.CandidateFilter
	searches   []jobs.ClientSearch
	fail       error
	panics     any
}

// stores returns the memoryStore as each of the Stores.
func (s *memoryStore) stores() Stores {
	return Stores{Jobs: s, Controls: s, Erasures: s, Merges: s, Selections: s, Clients: s, Retention: s}
}

func newMemoryStore() *memoryStore {
	return &memoryStore{jobs: map[string]jobs.Job{}, hashes: map[string][32]byte{}, first: map[string]string{}}
}

func (s *memoryStore) AcceptErasure(_ context.Context, req jobs.ErasureRequest, key jobs.IdempotencyKey) (jobs.Job, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panics != nil {
		panic(s.panics)
	}
	if s.fail != nil {
		return jobs.Job{}, false, s.fail
	}
	id := key.Caller + " " + key.Key
	if hash, ok := s.hashes[id]; ok {
		if hash != key.Hash {
			return jobs.Job{}, false, &jobs.Error{Kind: jobs.Invalid, Code: "idempotency_key_reused",
				Msg: "This key came with another request."}
		}
		return s.jobs[s.first[id]], true, nil
	}
	job := jobs.Job{
		ID: "0199b4a2-7c1e-7d53-9a1f-" + "00000000000" + string(rune('1'+len(s.requests))), TenantID: req.TenantID,
		State: jobs.Scheduled, Reason: req.Reason, Requested: len(req.ClientIDs),
		Counts: jobs.Counts{Pending: len(req.ClientIDs)}, Comment: req.Comment, CreatedBy: req.CreatedBy,
	}
	s.requests = append(s.requests, req)
	s.jobs[job.ID], s.hashes[id], s.first[id] = job, key.Hash, job.ID
	return job, false, nil
}

func (s *memoryStore) AcceptMerge(_ context.Context, req jobs.MergeRequest, _ jobs.IdempotencyKey) (jobs.Job, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	job := jobs.Job{
		ID: "0199b4a2-7c1e-7d53-9a1f-0000000000aa", TenantID: req.TenantID, State: jobs.Scheduled, Requested: len(req.SourceIDs),
		Counts: jobs.Counts{Pending: len(req.SourceIDs)},
		Merge:  &jobs.MergeTerms{Anonymous: req.Target == "", DeleteSource: req.DeleteSource, Conflicts: req.Conflicts},
	}
	s.merges = append(s.merges, req)
	s.jobs[job.ID] = job
	return job, false, s.fail
}

func (s *memoryStore) Job(_ context.Context, _ jobs.Kind, tenant, id string) (jobs.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	job, ok := s.jobs[id]
	if !ok || tenant != jobs.AnyTenant && job.TenantID != tenant {
		return jobs.Job{}, &jobs.Error{Kind: jobs.Missing, Msg: "There is no such erasure."}
	}
	return job, s.fail
}

// The repository decides which change of state is allowed; here each is.
func (s *memoryStore) Cancel(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error) {
	return s.step(ctx, kind, tenant, id, jobs.Cancelled)
}

func (s *memoryStore) Pause(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error) {
	return s.step(ctx, kind, tenant, id, jobs.Paused)
}

func (s *memoryStore) Resume(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error) {
	return s.step(ctx, kind, tenant, id, jobs.Running)
}

func (s *memoryStore) Retry(ctx context.Context, tenant, id string, by jobs.Caller) (jobs.Job, error) {
	job, err := s.step(ctx, jobs.Erasure, tenant, id, jobs.Scheduled)
	job.ID, job.CreatedBy = "0199b4a2-7c1e-7d53-9a1f-0000000000ff", by.Subject
	return job, err
}

func (s *memoryStore) Select(_ context.Context, req jobs.SelectionRequest) (jobs.Selection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.selections = append(s.selections, req)
	return jobs.Selection{ID: selectionID, TenantID: req.TenantID, Total: 3}, s.fail
}

func (s *memoryStore) Selection(_ context.Context, tenant, id string) (jobs.Selection, error) {
	if id != selectionID || tenant != jobs.AnyTenant && tenant != "studio" {
		return jobs.Selection{}, &jobs.Error{Kind: jobs.Missing, Msg: "There is no such selection."}
	}
	return jobs.Selection{ID: id, TenantID: "studio", Total: 3}, nil
}

func (s *memoryStore) Selections(_ context.Context, f jobs.SelectionFilter) (jobs.List[jobs.Selection], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = append(s.listed, f)
	return jobs.List[jobs.Selection]{}, s.fail
}

func (s *memoryStore) Candidates(ctx context.Context, f jobs.CandidateFilter) (jobs.List[jobs.Candidate], error) {
	if _, err := s.Selection(ctx, f.TenantID, f.SelectionID); err != nil {
		return jobs.List[jobs.Candidate]{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.candidates = append(s.candidates, f)
	return jobs.List[jobs.Candidate]{}, nil
}

func (s *memoryStore) Clients(_ context.Context, f jobs.ClientSearch) (jobs.List[jobs.Client], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.searches = append(s.searches, f)
	return jobs.List[jobs.Client]{}, s.fail
}

func (s *memoryStore) Client(_ context.Context, tenant, id string) (jobs.ClientDetail, error) {
	if tenant != "studio" || id != selectionID {
		return jobs.ClientDetail{}, &jobs.Error{Kind: jobs.Missing, Msg: "There is no such client."}
	}
	return jobs.ClientDetail{Client: jobs.Client{ClientID: id}, Erasable: jobs.ErasableNow}, nil
}

func (s *memoryStore) Tick(ctx context.Context, tenant, id string, ticks jobs.Ticks) (jobs.Selection, error) {
	sel, err := s.Selection(ctx, tenant, id)
	sel.Excluded = len(ticks.Exclude)
	return sel, err
}

// Wait does not wait.
func (s *memoryStore) Wait(context.Context, string, string, jobs.JobProgress) error { return s.fail }

func (s *memoryStore) Admit(string) (func(), error) { return func() {}, s.fail }

// Follow sends one event.
func (s *memoryStore) Follow(_ context.Context, tenant string, after int64, send func([]jobs.JobEvent, bool) error) error {
	s.mu.Lock()
	s.followed = append(s.followed, tenant)
	s.mu.Unlock()
	return send([]jobs.JobEvent{{Number: after + 1, Type: "erasure.running", Data: []byte(`{"id":"x"}`)}}, after == 0)
}

func (s *memoryStore) OfferConsole(_ context.Context, r jobs.ConsoleRequest) (string, string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered = append(s.offered, r)
	return selectionID, "code", time.Now(), s.fail
}

func (s *memoryStore) EndConsole(_ context.Context, by jobs.Caller, id string) error {
	if id != selectionID || by.Tenant != "studio" && by.Tenant != jobs.AnyTenant {
		return &jobs.Error{Kind: jobs.Missing, Msg: "There is no such session."}
	}
	return nil
}

const selectionID = "0199b4a2-7c1e-7d53-9a1f-00000000abcd"

func (s *memoryStore) step(ctx context.Context, kind jobs.Kind, tenant, id string, to jobs.State) (jobs.Job, error) {
	job, err := s.Job(ctx, kind, tenant, id)
	job.State = to
	return job, err
}

func (s *memoryStore) Jobs(_ context.Context, f jobs.Filter) (jobs.List[jobs.Job], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filters = append(s.filters, f)
	var l jobs.List[jobs.Job]
	for _, job := range s.jobs {
		if f.TenantID == jobs.AnyTenant || f.TenantID == job.TenantID {
			l.Items = append(l.Items, job)
		}
	}
	return l, s.fail
}

func (s *memoryStore) Retention(_ context.Context, tenant string) (jobs.Retention, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retentions = append(s.retentions, tenant)
	return jobs.Retention{TenantID: tenant, Kept: []jobs.Kept{}, Sweeps: []jobs.Sweep{}}, s.fail
}

func (s *memoryStore) Exceptions(ctx context.Context, f jobs.ExceptionFilter) (jobs.List[jobs.Exception], error) {
	if _, err := s.Job(ctx, jobs.Erasure, f.TenantID, f.JobID); err != nil {
		return jobs.List[jobs.Exception]{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(s.clients, f)
	return jobs.List[jobs.Exception]{}, s.fail
}
