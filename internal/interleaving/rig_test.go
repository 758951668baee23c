package interleaving_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/interleaving"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/internal/testdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// rig is a database with a job that is about to run, and a store whose statements
// pass through the proxy.
type rig struct {
	*interleaving.Database
	proxy *interleaving.Proxy
	store *repository.Store
	m     *erasuremap.Map
	url   string
	owner *bookingdb.DB
	op    work
	later atomic.Bool // eleven years have passed

	tenant string
}

// newRig builds a schema with its rows and opens a store on it.
func newRig(t *testing.T, sql, yaml string, change ...func(*interleaving.Proxy)) *rig {
	t.Helper()
	r, err := tryRig(t, sql, yaml, change...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tryRig is newRig for a map that may not cover the schema.
func tryRig(t *testing.T, sql, yaml string, change ...func(*interleaving.Proxy)) (*rig, error) {
	t.Helper()
	pool := testdb.New(t, bookingdb.Control)
	if _, err := pool.Exec(t.Context(), sql); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	m, err := erasuremap.Parse("map.yaml", []byte(yaml))
	if err != nil {
		return nil, err
	}
	p, gaps, _, err := schema.Check(t.Context(), testdb.URL(t, pool), m)
	switch {
	case err != nil:
		return nil, err
	case len(gaps) > 0:
		return nil, gaps
	}
	r := &rig{m: m, owner: bookingdb.GrantPlan(t, pool, p), url: testdb.URL(t, pool), tenant: "1"}
	if r.proxy, err = interleaving.NewProxy(r.owner.URL); err != nil {
		return nil, err
	}
	t.Cleanup(r.proxy.Close)
	for _, f := range change {
		f(r.proxy)
	}
	through, err := r.proxy.URL(r.owner.URL)
	if err != nil {
		return nil, err
	}
	r.store, err = repository.Open(t.Context(),
		repository.Options{URL: through, Map: m, Lanes: 1, Pause: time.Millisecond, Today: r.today})
	if err != nil {
		return nil, err
	}
	t.Cleanup(r.store.Close)
	return r, r.store.Cover(t.Context())
}

func (r *rig) today() time.Time {
	if r.later.Load() {
		return time.Now().AddDate(11, 0, 0)
	}
	return time.Now()
}

// keep lets every run begin with the database as it is now.
func (r *rig) keep(t *testing.T, op work) {
	t.Helper()
	var err error
	if r.Database, err = interleaving.Keep(t.Context(), r.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(context.Background()) })
	r.op = op
}

func (r *rig) erases(t *testing.T, keys ...string) *jobs.Claim {
	t.Helper()
	return r.accepts(t, jobs.ErasureRequest{ClientIDs: keys})
}

func (r *rig) accepts(t *testing.T, request jobs.ErasureRequest) *jobs.Claim {
	t.Helper()
	request.TenantID, request.Reason, request.CreatedBy = r.tenant, jobs.SubjectRequest, "test"
	_, _, err := r.store.AcceptErasure(t.Context(), request, jobs.IdempotencyKey{Key: fmt.Sprint(request.ClientIDs), Caller: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return r.claim(t)
}

func (r *rig) merges(t *testing.T, request jobs.MergeRequest) *jobs.Claim {
	t.Helper()
	request.TenantID, request.CreatedBy = r.tenant, "test"
	key := jobs.IdempotencyKey{Key: fmt.Sprint(request.SourceIDs), Caller: "test"}
	if _, _, err := r.store.AcceptMerge(t.Context(), request, key); err != nil {
		t.Fatal(err)
	}
	return r.claim(t)
}

// erased erases clients before the runs begin, so that the tenant has profiles, on
// which no session is taken.
func (r *rig) erased(t *testing.T, keys ...string) {
	t.Helper()
	c := r.erases(t, keys...)
	if err := r.drain(t.Context(), nil, c, len(keys)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.store.Finish(t.Context(), c), r.look(t.Context(), nil)); err != nil {
		t.Fatal(err)
	}
	r.owner.Exec(t, "DELETE FROM visits WHERE id > 6")
}

func (r *rig) claim(t *testing.T) *jobs.Claim {
	t.Helper()
	due, err := r.store.Dispatch(t.Context())
	if err != nil || len(due) != 1 {
		t.Fatalf("dispatch: %d tasks, %v", len(due), err)
	}
	c, err := r.store.Claim(t.Context(), due[0].TaskID)
	if err != nil || c == nil {
		t.Fatalf("claim: %v, %v", c, err)
	}
	return c
}

// erasing is the way of a batch: chunks of n clients, the end of the job, and its
// second look.
func (r *rig) erasing(claim *jobs.Claim, n int) work {
	return func(ctx context.Context, run *interleaving.Run) error {
		c := *claim
		if err := r.drain(ctx, run, &c, n); err != nil {
			return err
		}
		if err := r.store.Finish(ctx, &c); err != nil {
			return fmt.Errorf("finish: %w", err)
		}
		return r.look(ctx, run)
	}
}

// drain works as a worker does.
func (r *rig) drain(ctx context.Context, run *interleaving.Run, c *jobs.Claim, n int) error {
	size, refusals := n, 0
	for tries := 0; c.Left() > 0; tries++ {
		if tries > 40 {
			return errors.New("no end")
		}
		position := c.Position
		chunk, err := r.store.EraseChunk(ctx, c, min(size, c.Left()))
		e, _ := errors.AsType[*jobs.Error](err)
		switch {
		case c.Position > position:
			size, refusals = n, 0
		case err == nil && chunk.Clients == 0, e != nil && e.Code == jobs.CodeContention:
			if tries > 2 {
				run.Settle()
			}
		case e != nil && (e.Code == jobs.CodeSchema || e.Code == jobs.CodeOperator), jobs.KindOf(err) == jobs.Unavailable:
			return err
		case size > 1:
			size = 1
		default:
			if refusals++; refusals < 3 {
				continue
			}
			code := "internal"
			if e != nil && e.Code != "" {
				code = e.Code
			}
			if err := r.store.FailClient(ctx, c, code, ""); err != nil {
				return fmt.Errorf("fail client: %w", err)
			}
		}
	}
	return nil
}

// look is the job's second look. It does not wait for transactions of other tests
// on the same server.
func (r *rig) look(ctx context.Context, run *interleaving.Run) error {
	for range 20 {
		if run != nil {
			run.Settle()
		}
		due := "UPDATE oubli.second_looks SET since = now() - interval '2 hours', next_at = now(), tried = NULL WHERE pass = 1"
		if tag, err := r.owner.Pool.Exec(ctx, due); err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if _, err := r.store.RunSecondLooks(ctx); err != nil {
			return fmt.Errorf("second look: %w", err)
		}
	}
	return errors.New("the second look does not end")
}
