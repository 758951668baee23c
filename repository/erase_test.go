package repository_test

import (
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

func open(t *testing.T, db *bookingdb.DB, change ...func(*repository.Options)) *repository.Store {
	t.Helper()
	o := repository.Options{URL: db.URL, Map: bookingdb.Map(t), BatchClients: 100, MailWait: -1}
	for _, f := range change {
		f(&o)
	}
	s, err := repository.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func accept(t *testing.T, s *repository.Store, tenant string, keys []string, change ...func(*jobs.ErasureRequest)) jobs.Job {
	t.Helper()
	req := jobs.ErasureRequest{
		TenantID:  tenant,
		ClientIDs: keys,
		Reason:    jobs.SubjectRequest,
		Notify:    []string{"admin@studio.example"},
		CreatedBy: "test",
	}
	for _, f := range change {
		f(&req)
	}
	job, replayed, err := s.AcceptErasure(t.Context(), req, jobs.IdempotencyKey{Key: t.Name() + time.Now().String(), Caller: "test"})
	if err != nil || replayed {
		t.Fatalf("accept: replayed %v, %v", replayed, err)
	}
	return job
}

// work does what a worker does, without asynq: claim, chunks, finish.
func work(t *testing.T, s *repository.Store, chunk int) {
	t.Helper()
	for {
		due, err := s.Dispatch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, d := range due {
			if d.Kind != jobs.BatchTask {
				continue
			}
			n++
			c, err := s.Claim(t.Context(), d.TaskID)
			if err != nil || c == nil {
				t.Fatalf("claim: %v, %v", c, err)
			}
			for c.Left() > 0 {
				if _, err := s.EraseChunk(t.Context(), c, chunk); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Finish(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		if n == 0 {
			return
		}
	}
}

func job(t *testing.T, s *repository.Store, id string) jobs.Job {
	t.Helper()
	j, err := s.Job(t.Context(), jobs.Erasure, jobs.AnyTenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestErasedClientsLeaveTheNumbersAndNoTrace(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 1000)
	s := open(t, db)
	keys := db.Clients(t, 1, 240)
	untouched := db.Untouched(t, keys)

	j := accept(t, s, "1", keys)
	if j.State != jobs.Scheduled || j.Requested != len(keys) || j.Counts.Pending != len(keys) {
		t.Fatalf("accepted job: %+v", j)
	}
	work(t, s, 37)

	j = job(t, s, j.ID)
	t.Logf("%+v", j)
	if !j.State.Final() || j.Counts.Total() != len(keys) || j.Counts.Pending != 0 {
		t.Errorf("job: %+v", j)
	}
	if left := db.Existing(t, keys); len(left) != j.Counts.Skipped {
		t.Errorf("%d clients are left, %d were skipped", len(left), j.Counts.Skipped)
	}
	skipped := db.Existing(t, keys)
	erased := without(keys, skipped)
	db.NoTraces(t, erased)
	db.SameTotals(t)
	for i, now := range db.Untouched(t, keys) {
		if now != untouched[i] {
			t.Errorf("rows of others changed: %+v, before %+v", now, untouched[i])
		}
	}
}

func without(keys, remove []string) []string {
	gone := map[string]bool{}
	for _, k := range remove {
		gone[k] = true
	}
	var rest []string
	for _, k := range keys {
		if !gone[k] {
			rest = append(rest, k)
		}
	}
	return rest
}
