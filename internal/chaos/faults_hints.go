//go:build unix

package chaos

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/jobs"
)

// hintFaults are hints that no dispatcher sends, and what an operator can do to
// hints in the dashboard.
func hintFaults() []fault {
	all := []fault{{"hints doubled, late, out of order, unknown", strangeHints}}
	for _, action := range []string{
		"pending_tasks:delete_all", "pending_tasks:archive_all", "archived_tasks:run_all", "active_tasks:cancel_all",
	} {
		all = append(all, fault{"dashboard: " + action, func(ctx context.Context, r *round) (recovery, error) {
			for queue := range jobs.Queues() {
				method := http.MethodPost
				if strings.HasSuffix(action, "delete_all") {
					method = http.MethodDelete
				}
				if err := r.dashboard(ctx, method, fmt.Sprintf("queues/%s/%s", queue, action)); err != nil {
					return recovery{}, err
				}
			}
			return r.progress(ctx), nil
		}})
	}
	return append(all, fault{"dashboard: queues paused and resumed", func(ctx context.Context, r *round) (recovery, error) {
		for queue := range jobs.Queues() {
			if err := r.dashboard(ctx, http.MethodPost, fmt.Sprintf("queues/%s:pause", queue)); err != nil {
				return recovery{}, err
			}
		}
		wait(ctx, r.outage())
		for queue := range jobs.Queues() {
			if err := r.dashboard(ctx, http.MethodPost, fmt.Sprintf("queues/%s:resume", queue)); err != nil {
				return recovery{}, err
			}
		}
		return r.progress(ctx), nil
	}})
}

// strangeHints sends hints for tasks in any state, several times, under the wrong
// type, out of order, and for tasks that do not exist.
func strangeHints(ctx context.Context, r *round) (recovery, error) {
	rows, err := r.pool.Query(ctx, "SELECT id::text FROM oubli.tasks ORDER BY random() LIMIT 30")
	if err != nil {
		return recovery{}, err
	}
	tasks, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return recovery{}, err
	}
	tasks = append(tasks, uuid.NewString(), "not-an-id", "")
	c := asynq.NewClientFromRedisClient(r.keys)
	for range 2 {
		for _, i := range r.Perm(len(tasks)) {
			types := []string{jobs.BatchTask.HintType(), jobs.MailTask.HintType()}
			hint := asynq.NewTask(types[r.IntN(2)], jobs.Hint{TaskID: tasks[i]}.Payload())
			options := []asynq.Option{asynq.Queue(string(jobs.Interactive)), asynq.MaxRetry(r.IntN(2))}
			if r.IntN(3) == 0 {
				options = append(options, asynq.ProcessIn(time.Duration(r.IntN(3))*time.Second))
			}
			if _, err := c.EnqueueContext(ctx, hint, options...); err != nil {
				return recovery{}, err
			}
		}
	}
	return r.progress(ctx), nil
}

// dashboard does what one of the dashboard's buttons does.
func (r *round) dashboard(ctx context.Context, method, path string) error {
	r.api.mu.Lock()
	ops := r.api.ops
	r.api.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+ops+"/monitoring/api/"+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return errNotMet // the API was just killed
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusMethodNotAllowed || resp.StatusCode == http.StatusNotFound && !strings.Contains(path, ":") {
		return fmt.Errorf("the dashboard answers %d to %s %s", resp.StatusCode, method, path)
	}
	return nil
}
