package e2e

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/local"
)

// skipWithoutRedis skips a test of several redis-servers if none is installed:
// miniredis cannot form a cluster.
func skipWithoutRedis(t *testing.T, err error) {
	t.Helper()
	if _, missing := errors.AsType[*local.MissingError](err); missing {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestTwoWorkersOnARedisClusterLoseNothingWithOneOfItsNodes(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.batch = 20
	cluster, err := local.StartRedisCluster(t.Context())
	skipWithoutRedis(t, err)
	t.Cleanup(func() { _ = cluster.Close() })
	s.queue = cluster.URL()
	mails, err := cluster.NodeOf(t.Context(), "asynq:{mail}:pending")
	if err != nil {
		t.Fatal(err)
	}
	var lost atomic.Bool
	lose := app.Tuning{Failpoint: func(at string) {
		if at == "chunk:erased" && lost.CompareAndSwap(false, true) {
			cluster.Kill(mails)
		}
	}}
	service := s.start(t, both, lose)
	s.start(t, onlyWorker, lose)
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 100)
	before := s.snapshot(t, asked)

	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked})
	// The mail's, or that of a batch whose queue lives on the same node.
	bookingdb.Wait(t, "a hint to find its node away", func() bool {
		return lost.Load() && s.Int(t, `SELECT count(*) FROM oubli.tasks
			WHERE state = 'pending' AND dispatch_no > 0 AND dispatched_at IS NULL`) > 0
	})
	if n := len(s.inbox.Mails()); n != 0 {
		t.Fatalf("%d mails came although their queue is away: the test says nothing", n)
	}
	if err := cluster.Start(t.Context(), mails); err != nil {
		t.Fatal(err)
	}
	job = until(t, c, job.ID, "the end", mailed)
	before.allErased(t, job)
	s.mails(t, 1)
}

func TestAFailoverOfRedisSentinelInMidJobLosesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.batch = 20
	sentinel, err := local.StartRedisSentinel(t.Context())
	skipWithoutRedis(t, err)
	t.Cleanup(func() { _ = sentinel.Close() })
	s.queue = sentinel.URL()
	g := newGate(t, "chunk:erased")
	service := s.start(t, both, app.Tuning{Failpoint: g.pass})
	s.start(t, onlyWorker, app.Tuning{Failpoint: g.pass})
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 100)
	before := s.snapshot(t, asked)

	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked})
	g.await(t)
	g.await(t) // batches of both lanes run, and their hints are active in Redis
	if err := sentinel.KillMaster(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.open()
	job = until(t, c, job.ID, "the end", mailed)
	before.allErased(t, job)
	s.mails(t, 1)
}
