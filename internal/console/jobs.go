package console

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/oubli/oubli/jobs"
)

// jobList lists jobs of one kind.
func (c *console) jobList(w http.ResponseWriter, r *http.Request, v *visit) error {
	q := r.URL.Query()
	kind, state := jobs.Kind(q.Get("kind")), jobs.State(q.Get("state"))
	if kind != jobs.Merge {
		kind = jobs.Erasure
	}
	if !state.Valid() {
		state = ""
	}
	l, err := c.Jobs.Jobs(r.Context(), jobs.Filter{TenantID: v.Tenant, Kind: kind, State: state, Page: jobs.Page{Limit: 25,
		Cursor: q.Get("cursor")}})
	if err != nil {
		return err
	}
	c.render(w, r, v, http.StatusOK, "jobs", map[string]any{
		"Kind": string(kind), "State": string(state), "States": jobs.States(), "Jobs": l.Items, "Next": l.Next,
	})
	return nil
}

// find reads an erasure or a merge.
func (c *console) find(ctx context.Context, v *visit, id string) (jobs.Job, jobs.Kind, error) {
	if uuid.Validate(id) != nil {
		return jobs.Job{}, "", &jobs.Error{Kind: jobs.Missing, Code: "not_found"}
	}
	j, err := c.Jobs.Job(ctx, jobs.Erasure, v.Tenant, id)
	if jobs.KindOf(err) != jobs.Missing {
		return j, jobs.Erasure, err
	}
	j, err = c.Jobs.Job(ctx, jobs.Merge, v.Tenant, id)
	return j, jobs.Merge, err
}

// jobPage shows one job with everybody who was not plainly erased.
func (c *console) jobPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	j, kind, err := c.find(r.Context(), v, r.PathValue("id"))
	if err != nil {
		return err
	}
	l, err := c.Jobs.Exceptions(r.Context(), jobs.ExceptionFilter{
		Kind: kind, JobID: j.ID, TenantID: v.Tenant, Page: jobs.Page{Limit: 50, Cursor: r.URL.Query().Get("cursor")},
	})
	if err != nil {
		return err
	}
	c.render(w, r, v, http.StatusOK, "job", map[string]any{
		"Job": j, "Kind": string(kind), "Exceptions": l.Items, "Next": l.Next, "Steps": stepsOf(j, kind),
		"Outcomes": []count{
			{"pending", int64(j.Counts.Pending)}, {"erased", int64(j.Counts.Erased)}, {"erased_retained", int64(j.Counts.ErasedRetained)},
			{"skipped", int64(j.Counts.Skipped)}, {"failed", int64(j.Counts.Failed)}, {"not_found", int64(j.Counts.NotFound)},
		},
	})
	return nil
}

// stepsOf are the steps that a job's state allows.
func stepsOf(j jobs.Job, kind jobs.Kind) []string {
	var all []string
	if j.State == jobs.Paused && kind == jobs.Erasure {
		all = append(all, "resume")
	} else if j.State.CanBecome(jobs.Paused) && kind == jobs.Erasure {
		all = append(all, "pause")
	}
	if j.State.CanBecome(jobs.Cancelled) {
		all = append(all, "cancel")
	}
	if j.State.Final() && kind == jobs.Erasure && j.Counts.Failed+j.Counts.Skipped > 0 {
		all = append(all, "retry")
	}
	return all
}

// progressWait is how long a request for progress waits for a change.
const progressWait = 20 * time.Second

// jobProgress waits for a change and tells the script what to show.
func (c *console) jobProgress(w http.ResponseWriter, r *http.Request, v *visit) error {
	j, kind, err := c.find(r.Context(), v, r.PathValue("id"))
	if err != nil {
		return err
	}
	if !j.State.Final() {
		wait, cancel := context.WithTimeout(r.Context(), progressWait)
		defer cancel()
		if err := c.Waiter.Wait(wait, j.TenantID, j.ID, jobs.JobProgress{State: j.State, Done: j.Counts.Done()}); err != nil {
			return err
		}
		if j, err = c.Jobs.Job(r.Context(), kind, v.Tenant, j.ID); err != nil {
			return err
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"state": string(j.State), "final": j.State.Final(), "done": j.Counts.Done(), "requested": j.Requested,
		"text": v.T("job.progress", "done", c.Formats.Number(v.lang.tag, j.Counts.Done()), "all", c.Formats.Number(v.lang.tag,
			j.Requested)),
	})
	return nil
}

// jobStep pauses, resumes, cancels or retries a job.
func (c *console) jobStep(w http.ResponseWriter, r *http.Request, v *visit) error {
	j, kind, err := c.find(r.Context(), v, r.PathValue("id"))
	if err != nil {
		return err
	}
	switch r.PathValue("step") {
	case "pause":
		j, err = c.Steps.Pause(r.Context(), kind, v.Tenant, j.ID)
	case "resume":
		j, err = c.Steps.Resume(r.Context(), kind, v.Tenant, j.ID)
	case "cancel":
		j, err = c.Steps.Cancel(r.Context(), kind, v.Tenant, j.ID)
	case "retry":
		j, err = c.Steps.Retry(r.Context(), v.Tenant, j.ID, v.Caller)
	default:
		err = &jobs.Error{Kind: jobs.Missing, Code: "not_found"}
	}
	if err != nil {
		return err
	}
	return see(w, r, "jobs", j.ID)
}
