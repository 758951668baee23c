package e2e

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
)

func TestAnErasureRequestedWhileRedisIsDownIsDoneWhenItIsBack(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, app.Tuning{})
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 60)
	before := s.snapshot(t, asked)

	s.redis.Stop()
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked})
	a := send(t, service, http.MethodGet, "/v1/erasures/"+job.ID, mustMint(t, "1", jobs.Admin), "", "")
	if a.status != http.StatusOK || a.job.State != jobs.Scheduled {
		t.Errorf("while Redis is down, the job reads as %+v", a)
	}
	// The dispatcher has tried, and taken its marks back.
	bookingdb.Wait(t, "the dispatcher to find Redis away", func() bool {
		return s.Int(t, "SELECT count(*) FROM oubli.tasks WHERE dispatch_no > 0 AND dispatched_at IS NULL") > 0
	})
	if err := s.redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	job = until(t, c, job.ID, "the end", mailed)
	before.allErased(t, job)
	s.mails(t, 1)
}

func TestLosingAllOfRedisAtAnyMomentLosesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.batch = 10
	c := admin(t, s.start(t, onlyAPI, app.Tuning{}), "1")
	asked := s.plain(t, 1, 100)
	before := s.snapshot(t, asked)
	r := s.redisClient(t)
	flush := func() {
		if err := r.FlushAll(t.Context()).Err(); err != nil {
			t.Error(err)
		}
	}

	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked})
	hints := func() int64 { return r.LLen(t.Context(), "asynq:{bulk}:pending").Val() }
	const lanes = 2 // of a tenant; further batches wait in the database
	bookingdb.Wait(t, "hints to wait in Redis", func() bool { return hints() == lanes })
	flush()
	if n := hints(); n > 0 {
		t.Errorf("%d hints are in Redis although it has just lost everything", n)
	}
	bookingdb.Wait(t, "the lost hints to be sent again", func() bool { return hints() == lanes })

	var chunks atomic.Int32
	s.start(t, onlyWorker, app.Tuning{Failpoint: func(at string) {
		// Before, in and after every third chunk: hints that wait, hints at work.
		if at == "mail:before" || chunks.Add(1)%3 == 0 {
			flush()
		}
	}})
	job = until(t, c, job.ID, "the end", mailed)
	before.allErased(t, job)
	s.mails(t, 1)
	bookingdb.Wait(t, "all queues to be known to the dashboard again", func() bool {
		return r.SCard(t.Context(), "asynq:queues").Val() == int64(len(jobs.Queues()))
	})
}

func TestAHintThatComesAgainChangesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.batch = 10
	service := s.start(t, both, app.Tuning{})
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 50)
	before := s.snapshot(t, asked)
	job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: asked}).ID, "the end", mailed)
	// The transactions whose rows wait to be mixed are left out: mixing goes on after the mail.
	const tasks = `SELECT (to_jsonb(t) - ARRAY['small_xids', 'small_times', 'small_clients', 'large_xid', 'large_xid_clients',
		'large_clients', 'trigger_rows'])::text FROM oubli.tasks t ORDER BY id`
	rows := s.Strings(t, tasks)

	for _, task := range s.Strings(t, "SELECT id::text FROM oubli.tasks") {
		for _, kind := range []jobs.TaskKind{jobs.BatchTask, jobs.MailTask} {
			s.hint(t, kind, task)
		}
	}
	s.hint(t, jobs.BatchTask, "not-an-id")
	r := s.redisClient(t)
	bookingdb.Wait(t, "every hint to be taken", func() bool {
		left := int64(0)
		for _, q := range []string{"bulk", "mail", "interactive"} {
			left += r.LLen(t.Context(), "asynq:{"+q+"}:pending").Val() + r.LLen(t.Context(), "asynq:{"+q+"}:active").Val()
		}
		return left == 0
	})
	if now := s.Strings(t, tasks); len(now) != len(rows) {
		t.Errorf("%d tasks, before %d", len(now), len(rows))
	} else {
		for i := range now {
			if now[i] != rows[i] {
				t.Errorf("a late hint changed a task:\nbefore %s\nafter  %s", rows[i], now[i])
			}
		}
	}
	before.holds(t, job)
	s.mails(t, 1)
}
