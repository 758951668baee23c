package e2e

import (
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/jobs"
)

func TestASmallErasureIsNotKeptWaitingByABigOne(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.slots, s.batch = 1, 5 // one slot and many batches
	g := newGate(t, "chunk:committed")
	service := s.start(t, both, app.Tuning{Failpoint: g.pass})
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 101)
	big := mustErase(t, c, apiclient.Erasure{ClientIDs: asked[:100], Reason: jobs.Inactivity})
	g.await(t) // twenty batches, and the worker in the first

	small := mustErase(t, c, apiclient.Erasure{ClientIDs: asked[100:]})
	elsewhere := mustErase(t, admin(t, service, "2"), apiclient.Erasure{ClientIDs: s.plain(t, 2, 1)})
	g.open()

	big = until(t, c, big.ID, "the end of the big one", ended)
	for name, job := range map[string]jobs.Job{
		"the same studio":  until(t, c, small.ID, "the end of the small one", ended),
		"another studio's": until(t, admin(t, service, "2"), elsewhere.ID, "the end of the small one elsewhere", ended),
	} {
		later := s.Int(t, "SELECT count(*) FROM oubli.tasks WHERE job_id = $1 AND kind = 'batch'", big.ID)
		if !job.FinishedAt.Before(*big.FinishedAt) || later != 20 {
			t.Errorf("%s: the small erasure ended at %s, the big one of %d batches at %s", name, job.FinishedAt, later, big.FinishedAt)
		}
	}
}
