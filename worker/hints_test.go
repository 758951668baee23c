package worker_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hibiken/asynq"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
	"github.com/oubli/oubli/worker"
)

func TestErasuresOfTwoTenantsEndAndLeaveRedisEmpty(t *testing.T) {
	t.Parallel()
	r := newRig(t, 600)
	first, second := r.store(), r.store()
	p1, _ := r.dispatcher(first)
	p2, _ := r.dispatcher(second)
	r.work(first, p1)
	r.work(second, p2)
	mine, theirs, few := r.db.Clients(t, 1, 90), r.db.Clients(t, 2, 90), r.db.Clients(t, 3, 3)
	all := append(append(append([]string{}, mine...), theirs...), few...)
	before := r.db.Untouched(t, all)
	var ids []string
	for tenant, keys := range map[string][]string{"1": mine, "2": theirs, "3": few} {
		ids = append(ids, r.accept(first, tenant, keys, "a@studio.example", "b@studio.example").ID)
	}
	for _, id := range ids {
		if j := r.ended(second, id); j.State != jobs.Completed {
			t.Errorf("job %+v", j)
		}
	}
	r.mailServer.wantMails(t, 6)
	if left := r.db.Existing(t, all); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	r.db.NoTraces(t, all)
	r.db.SameTotals(t)
	for i, now := range r.db.Untouched(t, all) {
		if now != before[i] {
			t.Errorf("rows of others changed: %+v, before %+v", now, before[i])
		}
	}
	bookingdb.Wait(t, "hints to be acknowledged", func() bool { return len(r.hintKeys()) == 0 })
	r.wantNoClientData(t)
}

func TestBatchesOfTwoTenantsTakeTurns(t *testing.T) {
	t.Parallel()
	r := newRig(t, 300)
	s := r.store()
	p, _ := r.dispatcher(s)
	first, second := r.accept(s, "1", r.db.Clients(t, 1, 20)).ID, r.accept(s, "2", r.db.Clients(t, 2, 20)).ID
	bookingdb.Wait(t, "both hints to wait", func() bool {
		return r.db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE dispatched_at IS NOT NULL") == 2
	})
	r.work(s, p, func(o *worker.Options) { o.Concurrency, o.ChunkMax = 1, 2 })
	for _, id := range []string{first, second} {
		if j := r.ended(s, id); j.State != jobs.Completed || j.Counts.Erased+j.Counts.ErasedRetained != 20 {
			t.Errorf("job %+v", j)
		}
	}
	var turns []string
	for line := range strings.Lines(r.log.String()) {
		for _, id := range []string{first, second} {
			if strings.Contains(line, "chunk done") && strings.Contains(line, id) {
				turns = append(turns, id)
			}
		}
	}
	if got := len(slices.Compact(slices.Clone(turns))); len(turns) < 20 || got < 5 {
		t.Errorf("%d chunks in %d turns", len(turns), got)
	}
	if n := r.db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE kind = 'batch' AND (failures > 0 OR crashes > 0)"); n > 0 {
		t.Errorf("%d batches failed or crashed", n)
	}
}

// hintKeys returns the keys of all hints in Redis, in any state.
func (r *rig) hintKeys() []string {
	r.t.Helper()
	var keys []string
	for _, k := range r.redis.Keys(r.t.Context(), "asynq:*").Val() {
		if strings.Contains(k, ":t:") || strings.HasSuffix(k, ":archived") ||
			strings.HasSuffix(k, ":retry") || strings.HasSuffix(k, ":completed") {
			keys = append(keys, k)
		}
	}
	return keys
}

// wantNoClientData fails the test if Redis or the log contains a marker of a
// client.
func (r *rig) wantNoClientData(t *testing.T) {
	t.Helper()
	if r.logged("vez") || r.logged("private.example") {
		t.Error("the log contains data of a client")
	}
	for _, k := range r.redis.Keys(t.Context(), "*").Val() {
		if dump := r.redis.Dump(t.Context(), k).Val(); strings.Contains(k+dump, "vez") || strings.Contains(dump, "private.example") {
			t.Errorf("Redis key %s contains data of a client", k)
		}
	}
}

func TestHintsThatAreWrongLateOrDoubledChangeNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, 300)
	s := r.run()
	done := r.accept(s, "1", r.db.Clients(t, 1, 10), "a@studio.example")
	r.ended(s, done.ID)
	tasks := r.db.Strings(t, "SELECT id::text FROM oubli.tasks ORDER BY kind")
	// A pending batch of a paused job. Below, hints of the wrong kind are sent too.
	paused := r.accept(s, "2", r.db.Clients(t, 2, 40), "a@studio.example")
	if _, err := s.Pause(t.Context(), jobs.Erasure, "2", paused.ID); err != nil && jobs.KindOf(err) != jobs.Conflict {
		t.Fatal(err)
	}
	tasks = append(tasks, r.db.Strings(t, "SELECT id::text FROM oubli.tasks WHERE job_id = $1", paused.ID)...)

	client := asynq.NewClientFromRedisClient(r.redis)
	send := func(kind, payload string) {
		t.Helper()
		for queue := range jobs.Queues() {
			if _, err := client.Enqueue(asynq.NewTask(kind, []byte(payload)), asynq.Queue(string(queue)), asynq.MaxRetry(0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, kind := range []jobs.TaskKind{jobs.BatchTask, jobs.MailTask} {
		for _, payload := range []string{
			"", "{", "[]", `{}`, `{"task_id":""}`, `{"task_id":7}`, `{"task_id":"x"}`,
			`{"task_id":"00000000-0000-0000-0000-000000000000"}`,
		} {
			send(kind.HintType(), payload)
		}
		for _, id := range tasks {
			send(kind.HintType(), string(jobs.Hint{TaskID: id}.Payload()))
		}
	}
	send("erasure:unknown", `{"task_id":"x"}`) // asynq archives it, and the dispatcher deletes it
	if _, err := s.Resume(t.Context(), jobs.Erasure, "2", paused.ID); err != nil && jobs.KindOf(err) != jobs.Conflict {
		t.Fatal(err)
	}
	if j := r.ended(s, paused.ID); j.State != jobs.Completed || j.Counts.NotFound != 0 {
		t.Errorf("job %+v", j)
	}
	bookingdb.Wait(t, "Redis to be empty of hints", func() bool { return len(r.hintKeys()) == 0 })
	r.mailServer.wantMails(t, 2)
	if n := r.db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE crashes > 0 OR failures > 0"); n > 0 {
		t.Errorf("%d tasks failed or crashed", n)
	}
}

func TestLosingAllOfRedisLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, 600)
	flushes := make(chan struct{}, 1)
	s := r.run(func(o *repository.Options) {
		chunks := 0
		o.MaxConns, o.Lanes = 8, 1 // one lane, so that one worker at a time reaches the failpoint
		o.Failpoint = func(name string) {
			if name != "chunk:committed" {
				return
			}
			if chunks++; chunks%2 == 1 {
				if err := r.redis.FlushAll(context.Background()).Err(); err != nil {
					t.Error(err)
				}
				select {
				case flushes <- struct{}{}:
				default:
				}
			}
		}
	})
	keys := r.db.Clients(t, 1, 120)
	j := r.accept(s, "1", keys, "a@studio.example")
	<-flushes
	if j := r.ended(s, j.ID); j.State != jobs.Completed {
		t.Errorf("job %+v", j)
	}
	r.mailServer.wantMails(t, 1)
	// The dashboard shows the queues again.
	bookingdb.Wait(t, "the queues to be registered", func() bool {
		queues, err := r.asynq.Queues()
		return err == nil && len(queues) == len(jobs.Queues())
	})
}

func TestAJobThatIsAcceptedWithoutRedisIsDoneWhenItIsBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, 300)
	s := r.run()
	r.server.Kill()
	j := r.accept(s, "1", r.db.Clients(t, 1, 30), "a@studio.example")
	bookingdb.Wait(t, "the dispatcher to notice", func() bool { return r.logged("Redis does not answer") })
	if err := r.server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if j := r.ended(s, j.ID); j.State != jobs.Completed {
		t.Errorf("job %+v", j)
	}
	r.mailServer.wantMails(t, 1)
}

// Without Redis no hint arrives. A worker that has finished a batch claims the
// next one in the database.
func TestWorkUnderWayGoesOnWithoutRedis(t *testing.T) {
	t.Parallel()
	r := newRig(t, 600)
	kill := sync.OnceFunc(r.server.Kill)
	s := r.store(func(o *repository.Options) {
		o.Failpoint = func(name string) {
			if name == "chunk:committed" {
				kill()
			}
		}
	})
	p, _ := r.dispatcher(s)
	first := r.accept(s, "1", r.db.Clients(t, 1, 60), "a@studio.example").ID
	second := r.accept(s, "2", r.db.Clients(t, 2, 60), "a@studio.example").ID
	bookingdb.Wait(t, "hints of both to wait", func() bool {
		return r.db.Int(t, "SELECT count(DISTINCT tenant_id) FROM oubli.tasks WHERE dispatched_at IS NOT NULL") == 2
	})
	r.work(s, p, func(o *worker.Options) { o.Concurrency, o.ChunkMax = 1, 4 })
	bookingdb.Wait(t, "all batches of both", func() bool {
		return r.db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE kind = 'batch' AND state = 'done'") == 6
	})
	if err := r.server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{first, second} {
		if j := r.ended(s, id); j.State != jobs.Completed {
			t.Errorf("job %+v", j)
		}
	}
	r.mailServer.wantMails(t, 2)
}

// Archiving or deleting a hint on the dashboard does not change the task.
func TestAHintThatAnOperatorArchivesOrDeletesIsSentAgain(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(*asynq.Inspector, string, string) error{
		"archive": func(i *asynq.Inspector, q, id string) error { return i.ArchiveTask(q, id) },
		"delete":  func(i *asynq.Inspector, q, id string) error { return i.DeleteTask(q, id) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 300)
			s := r.store()
			p, _ := r.dispatcher(s)
			j := r.accept(s, "1", r.db.Clients(t, 1, 10))
			var hints []*asynq.TaskInfo
			bookingdb.Wait(t, "the hint", func() bool {
				hints, _ = r.asynq.ListPendingTasks(string(jobs.Interactive))
				return len(hints) == 1
			})
			if err := act(r.asynq, hints[0].Queue, hints[0].ID); err != nil {
				t.Fatal(err)
			}
			bookingdb.Wait(t, "another hint", func() bool {
				again, _ := r.asynq.ListPendingTasks(string(jobs.Interactive))
				return len(again) == 1 && again[0].ID != hints[0].ID
			})
			r.work(s, p)
			r.ended(s, j.ID)
			bookingdb.Wait(t, "Redis to be empty of hints", func() bool { return len(r.hintKeys()) == 0 })
		})
	}
}

// asynq stores a hint under several keys. Redis may lose only some of them.
func TestAHintOfWhichRedisLostSomeKeysIsSentAgain(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*rig, string){
		"the list of pending hints": func(r *rig, _ string) { r.redis.Del(r.t.Context(), "asynq:{interactive}:pending") },
		"the hint's payload":        func(r *rig, hint string) { r.redis.Del(r.t.Context(), "asynq:{interactive}:t:"+hint) },
		"the hint's payload, after a worker received the hint": func(r *rig, hint string) {
			r.redis.Del(r.t.Context(), "asynq:{interactive}:pending", "asynq:{interactive}:t:"+hint)
			r.redis.LPush(r.t.Context(), "asynq:{interactive}:active", hint)
			r.redis.HSet(r.t.Context(), "asynq:{interactive}:t:"+hint, "state", "active")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 300)
			s := r.store()
			p, _ := r.dispatcher(s)
			j := r.accept(s, "1", r.db.Clients(t, 1, 10))
			var hint string
			bookingdb.Wait(t, "the hint", func() bool {
				hints := r.redis.LRange(t.Context(), "asynq:{interactive}:pending", 0, -1).Val()
				if len(hints) == 1 {
					hint = hints[0]
				}
				return hint != ""
			})
			lose(r, hint)
			r.work(s, p)
			r.ended(s, j.ID)
		})
	}
}
