//go:build unix

package chaos

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/jobs"
)

// check checks everything from outside when all work is done.
func (r *round) check(ctx context.Context) error {
	for _, p := range r.processes() {
		if err := p.awaitUp(ctx, r.o.Patience); err != nil {
			return err
		}
	}
	ended, err := r.checkJobs(ctx)
	if err != nil {
		return err
	}
	for _, look := range []func(context.Context) error{r.checkClients, r.checkRedis, r.checkControl, r.checkMetrics} {
		if err := look(ctx); err != nil {
			return err
		}
	}
	return r.checkMails(ctx, ended)
}

// checkJobs compares the API's answers with the requests: each request has one
// job, each job has ended, and its outcomes add up (I5, I12). It returns when each
// ended.
func (r *round) checkJobs(ctx context.Context) (map[string]time.Time, error) {
	ended := map[string]time.Time{}
	orders := r.feeder.all()
	r.figures.Jobs += len(orders)
	for _, o := range orders {
		if o.id == "" {
			r.violated("%s was never answered", o)
			r.figures.Lost++
			continue
		}
		var n int
		order := fmt.Sprintf("order %d", o.number)
		if err := r.pool.QueryRow(ctx, "SELECT count(*) FROM oubli.jobs WHERE comment = $1", order).Scan(&n); err != nil {
			return nil, err
		}
		if n != 1 {
			r.violated("%s has made %d jobs", o, n)
			r.figures.Doubled += n - 1
		}
		job, err := r.read(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("read job of order %d: %w", o.number, err)
		}
		if o.merge {
			r.figures.Merges++
		}
		c := job.Counts
		r.figures.Clients += job.Requested
		if !job.State.Final() || job.FinishedAt == nil {
			r.violated("%s has not ended: %s %+v", o, job.State, c)
			r.figures.Lost++
			continue
		}
		ended[o.id] = *job.FinishedAt
		if c.Total() != job.Requested || job.Requested != len(o.keys) || c.Pending < 0 || c.Pending > 0 && job.State != jobs.Cancelled {
			r.violated("%s for %d clients does not add up: %s, %d requested, %+v", o, len(o.keys), job.State, job.Requested, c)
		}
		if job.State == jobs.Cancelled && !o.cancelled {
			r.violated("%s is cancelled, and nobody asked for it", o)
		}
		if err := r.checkExceptions(ctx, o, job); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// read asks the API for the job of an order.
func (r *round) read(ctx context.Context, o *order) (jobs.Job, error) {
	if o.merge {
		return r.client.GetMerge(ctx, o.id)
	}
	return r.client.Get(ctx, o.id)
}

// checkExceptions compares the list of exceptions with the counts.
func (r *round) checkExceptions(ctx context.Context, o *order, job jobs.Job) error {
	var n jobs.Counts
	seen := map[string]bool{}
	all := r.client.Exceptions(ctx, o.id, "")
	if o.merge {
		all = r.client.MergeExceptions(ctx, o.id)
	}
	for e, err := range all {
		if err != nil {
			return err
		}
		if e.Outcome == "merged_retained" {
			e.Outcome = jobs.ErasedRetained
		}
		n.Add(e.Outcome, 1)
		if _, asked := slices.BinarySearch(o.keys, e.ClientID); !asked || seen[e.ClientID] {
			r.violated("%s has an exception for a client twice, or for one whom it did not ask for", o)
		}
		seen[e.ClientID] = true
	}
	c := job.Counts
	if n.ErasedRetained != c.ErasedRetained || n.Skipped != c.Skipped || n.Failed != c.Failed || n.NotFound != c.NotFound {
		r.violated("%s lists %+v as exceptions and counts %+v", o, n, c)
	}
	return nil
}

// dealtSQL selects the outcome of every client from the tasks, except rehearsals.
const dealtSQL = `
	WITH dealt AS (
	  SELECT t.job_id, j.kind, unnest(t.keys[:t.position]) AS client FROM oubli.tasks AS t JOIN oubli.jobs AS j ON j.id = t.job_id
	  WHERE t.kind <> 'mail' AND NOT j.dry_run)
	SELECT d.job_id::text, d.kind, d.client, coalesce(e.outcome, 'erased'), coalesce(e.code, ''),
	  EXISTS (SELECT FROM clients WHERE id::text = d.client)
	FROM dealt AS d LEFT JOIN oubli.exceptions AS e ON e.job_id = d.job_id AND e.client_id = d.client`

// checkClients compares the database with the jobs: every client is erased or
// unchanged, no client was erased twice, nobody else has changed, and the sums are
// the same as before (I1, I2, I3, I4, I9).
func (r *round) checkClients(ctx context.Context) error {
	before, err := pgxpool.New(ctx, r.pg.URL(templateDB))
	if err != nil {
		return err
	}
	defer before.Close()
	rows, err := r.pool.Query(ctx, dealtSQL)
	if err != nil {
		return err
	}
	erased := map[string]int{}
	there := map[string]bool{}
	failed := map[string]string{}
	by := map[string][]string{}    // the jobs of a client
	targets := map[string]string{} // of merges
	for _, o := range r.feeder.all() {
		if o.merge {
			targets[o.id] = o.target
		}
	}
	into := moved{}
	var job, kind, client, outcome, code string
	var exists bool
	_, err = pgx.ForEachRow(rows, []any{&job, &kind, &client, &outcome, &code, &exists}, func() error {
		there[client] = exists
		by[client] = append(by[client], job)
		switch jobs.Outcome(outcome) {
		case jobs.Erased, jobs.ErasedRetained:
			erased[client]++
			if targets[job] != "" {
				into[client] = targets[job]
			}
		case jobs.FailedOutcome:
			if kind == string(jobs.Erasure) || !slices.Contains(mergeCodes, code) {
				failed[client] = code
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for client, times := range erased {
		switch {
		case times > 1:
			r.violated("client %s was erased %d times: %v", client, times, by[client])
			r.figures.Doubled++
		case there[client]:
			r.violated("client %s is there, and reported as erased: %v", client, by[client])
			r.figures.Lost++
		}
	}
	if err := r.checkFailed(ctx, failed, by); err != nil {
		return err
	}
	gone, err := r.gone(ctx, before)
	if err != nil {
		return err
	}
	r.figures.Erased += len(gone)
	for _, id := range gone {
		if erased[fmt.Sprint(id)] == 0 {
			r.violated("client %d is gone, and no job says so", id)
			r.figures.Lost++
		}
	}
	isGone := func(client string) bool {
		id, err := strconv.ParseInt(client, 10, 64)
		_, found := slices.BinarySearch(gone, id)
		return err == nil && found
	}
	touched, err := r.checkMoved(ctx, before, into, isGone)
	if err != nil {
		return err
	}
	// Rows of merged clients belong to the target now.
	traceless := slices.DeleteFunc(slices.Clone(gone), func(id int64) bool { return into.owner(fmt.Sprint(id), isGone) != "" })
	for _, target := range touched {
		id, err := strconv.ParseInt(target, 10, 64)
		if err != nil {
			return err
		}
		gone = append(gone, id)
	}
	return r.compare(ctx, before, gone, traceless)
}

// checkFailed checks that only clients who were meant to fail have failed.
func (r *round) checkFailed(ctx context.Context, failed map[string]string, by map[string][]string) error {
	for client, code := range failed {
		var protected bool
		if err := r.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM protected WHERE id::text = $1)", client).Scan(&protected); err != nil {
			return err
		}
		if !(protected && code == protectedCode || client == r.feeder.killer && code == "worker_crashed") {
			r.violated("client %s failed with %s, for no fault of its own: %v", client, code, by[client])
		}
	}
	return nil
}

// gone lists the clients who existed when the round began and no longer do.
func (r *round) gone(ctx context.Context, before *pgxpool.Pool) ([]int64, error) {
	all := func(pool *pgxpool.Pool) ([]int64, error) {
		rows, err := pool.Query(ctx, "SELECT id FROM clients WHERE NOT is_anonymous ORDER BY id")
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[int64])
	}
	was, err := all(before)
	if err != nil {
		return nil, err
	}
	is, err := all(r.pool)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(was, func(id int64) bool { _, still := slices.BinarySearch(is, id); return still }), nil
}

// compare compares the database with the one that the round began with: only rows
// of the changed clients differ, and no data of the traceless clients is left.
func (r *round) compare(ctx context.Context, before *pgxpool.Pool, changed, traceless []int64) error {
	was, err := booking.UntouchedDigest(ctx, before, changed)
	if err != nil {
		return err
	}
	is, err := booking.UntouchedDigest(ctx, r.pool, changed)
	if err != nil {
		return err
	}
	for i := range was {
		if was[i] != is[i] {
			r.violated("rows of others in %s changed: %+v became %+v", was[i].Table, was[i], is[i])
		}
	}
	sums, err := booking.Totals(ctx, before)
	if err != nil {
		return err
	}
	now, err := booking.Totals(ctx, r.pool)
	if err != nil {
		return err
	}
	for i := range sums {
		if sums[i] != now[i] {
			r.violated("sums changed: %+v became %+v", sums[i], now[i])
		}
	}
	traces, err := booking.Traces(ctx, r.pool, traceless)
	if err != nil {
		return err
	}
	for _, t := range traces {
		if !t.Retained() {
			r.violated("%d rows of %s.%s still contain data of an erased client", t.Count, t.Table, t.Column)
		}
	}
	return nil
}

// checkRedis checks that hints contain ids only (I4).
func (r *round) checkRedis(ctx context.Context) error {
	for keys := r.keys.Scan(ctx, 0, "*", 1000).Iterator(); keys.Next(ctx); {
		key := keys.Val()
		var content any
		switch r.keys.Type(ctx, key).Val() {
		case "hash":
			content = r.keys.HGetAll(ctx, key).Val()
		case "list":
			content = r.keys.LRange(ctx, key, 0, -1).Val()
		case "zset":
			content = r.keys.ZRange(ctx, key, 0, -1).Val()
		case "set":
			content = r.keys.SMembers(ctx, key).Val()
		default:
			content = r.keys.Get(ctx, key).Val()
		}
		if found := marker.FindString(fmt.Sprint(key, content)); found != "" {
			r.violated("Redis contains data of a client: %q under %s", found, key)
		}
	}
	return nil
}

// checkControl checks that oubli's own tables contain keys and codes only.
func (r *round) checkControl(ctx context.Context) error {
	rows, err := r.pool.Query(ctx, "SELECT relname FROM pg_class WHERE relnamespace = 'oubli'::regnamespace AND relkind = 'r'")
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, table := range tables {
		rows, err := r.pool.Query(ctx, "SELECT t::text FROM oubli."+pgx.Identifier{table}.Sanitize()+" AS t")
		if err != nil {
			return err
		}
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, text := range texts {
			if found := marker.FindString(text); found != "" {
				r.violated("control table %s contains data of a client: %q", table, found)
			}
		}
	}
	return nil
}

// checkMetrics checks that every process answers, reports nothing open, and names
// no client.
func (r *round) checkMetrics(ctx context.Context) error {
	for _, p := range r.processes() {
		p.mu.Lock()
		ops := p.ops
		p.mu.Unlock()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+ops+"/metrics", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("metrics of %s: %w", p.name, err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
		text := string(b)
		if found := marker.FindString(text); found != "" {
			r.violated("metrics of %s contain data of a client: %q", p.name, found)
		}
		if !strings.Contains(text, "\noubli_oldest_open_job_age_seconds 0\n") && len(r.violations) == 0 {
			r.violated("metrics of %s say that a job is open", p.name)
		}
	}
	return nil
}
