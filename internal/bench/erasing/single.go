package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/bench/figures"
	"github.com/oubli/oubli/jobs"
)

const (
	posters   = 16  // connections that ask for erasures at the same time
	alone     = 100 // erasures one after the other, each on an idle system
	nameLoop  = "loop over clients"
	nameFlood = "oubli, one at a time"
)

// singleEntries are erasures of one client each, and what they are compared with:
// the loop on one connection, and asynq with tasks that do nothing.
func singleEntries(p *program, s size) []entry {
	direct := func(c *clone) string { return c.url() }
	return []entry{
		{name: nameLoop, do: loop(direct, 0, s.scale(20*time.Second))},
		{name: nameFlood, prepare: p.prepare, do: p.single(2, p.flood)},
		{name: nameFlood + ", idle", prepare: p.prepare, do: p.single(2, p.oneAfterTheOther)},
		{name: "asynq, empty tasks", again: true, do: p.carrier},
	}
}

// single is what is measured of jobs of one client each. Times are the client's:
// from before its POST, until the transaction that ended the job began.
type single struct {
	PostMS     figures.Figures `json:"post_ms"`
	FinishedMS figures.Figures `json:"finished_ms"`
	Accepted   float64         `json:"accepted_per_second"`
	Finished   float64         `json:"finished_per_second"`
	Mails      float64         `json:"mails_per_second,omitempty"` // of all mails once more, when nothing else is to do
	APICPU     float64         `json:"api_cpu_seconds"`
	ServerCPU  float64         `json:"server_cpu_seconds"` // without starting and the mails once more
	WALBytes   int64           `json:"wal_bytes"`
}

// singleSettings let one caller ask as fast as it can, and log no chunks.
var singleSettings = []string{"OUBLI_LIMIT_REQUESTS=0", "OUBLI_LIMIT_BYTES=0", "OUBLI_LOG_LEVEL=info"}

// load posts erasures of single clients until all have ended.
type load func(ctx context.Context, c *clone, api string, who *clientSet, r *result) error

// single starts the API and a worker, and puts a load on them. CPU times are
// those of the load, not of starting.
func (p *program) single(slots int, do load) contender {
	return func(ctx context.Context, c *clone, who *clientSet, r *result) (err error) {
		settings := append([]string{"OUBLI_CONCURRENCY=" + strconv.Itoa(slots)}, singleSettings...)
		var both [2]*process
		for i, part := range []string{"serve", "worker"} {
			if both[i], err = p.start(ctx, c.url(), settings, part); err != nil {
				return err
			}
			defer func() {
				_, _, e := both[i].end()
				err = errors.Join(err, e)
			}()
		}
		addr, err := both[0].ready(ctx)
		if err != nil {
			return err
		}
		if _, err := both[1].ready(ctx); err != nil {
			return err
		}
		r.Single = &single{}
		cpu := func() (api, worker time.Duration) {
			_, api, _ = stat(strconv.Itoa(both[0].cmd.Process.Pid))
			_, worker, _ = stat(strconv.Itoa(both[1].cmd.Process.Pid))
			return api, worker
		}
		api, worker := cpu()
		server := c.serverCPU(ctx)
		r.restart() // what came before was starting processes
		if r.Single.WALBytes, err = c.wal(ctx, func() error { return do(ctx, c, addr, who, r) }); err != nil {
			return err
		}
		r.Single.ServerCPU = (c.serverCPU(ctx) - server).Seconds()
		apiNow, workerNow := cpu()
		r.Single.APICPU, r.CPUSeconds = (apiNow - api).Seconds(), (workerNow - worker).Seconds()
		return p.mailAgain(ctx, c, r)
	}
}

// posted is when each client's erasure was asked for.
type posted struct {
	mu   sync.Mutex
	at   map[string]time.Time // by the job's id
	took []time.Duration
}

func (s *posted) post(ctx context.Context, api *apiclient.Client, who *clientSet, i int) (string, error) {
	began := time.Now()
	j, err := api.CreateErasure(ctx, apiclient.Erasure{TenantID: strconv.FormatInt(who.tenant[i], 10),
		ClientIDs: []string{strconv.FormatInt(who.ids[i], 10)}, Reason: jobs.SubjectRequest}, "")
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[j.ID] = began
	s.took = append(s.took, time.Since(began))
	return j.ID, nil
}

// flood posts all erasures on sixteen connections, the tenants mixed, and waits
// for the last mail.
func (p *program) flood(ctx context.Context, c *clone, addr string, who *clientSet, r *result) error {
	mails := len(p.inbox.Mails())
	s := &posted{at: map[string]time.Time{}}
	order := who.mixed()
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, posters)
	for n := range posters {
		api := apiclient.New("http://"+addr, p.token)
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(order)) && errs[n] == nil; i = next.Add(1) - 1 {
				_, errs[n] = s.post(ctx, api, who, order[i])
			}
		})
	}
	all.Wait()
	r.Single.Accepted = float64(len(order)) / time.Since(r.start).Seconds()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if _, err := p.inbox.Wait(ctx, mails+len(order)); err != nil {
		return err
	}
	r.stop()
	return s.readEnds(ctx, c, r)
}

// oneAfterTheOther asks for the next erasure when the one before has ended and
// its mail has come.
func (p *program) oneAfterTheOther(ctx context.Context, c *clone, addr string, who *clientSet, r *result) error {
	mails := len(p.inbox.Mails())
	s := &posted{at: map[string]time.Time{}}
	api := apiclient.New("http://"+addr, p.token)
	order := who.mixed()
	order = order[:min(alone, len(order))]
	for n, i := range order {
		if _, err := s.post(ctx, api, who, i); err != nil {
			return err
		}
		if _, err := p.inbox.Wait(ctx, mails+n+1); err != nil {
			return err
		}
		select { // nobody asks in step with the ticks of a program
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(n*37%100) * time.Millisecond):
		}
	}
	r.stop()
	return s.readEnds(ctx, c, r)
}

// readEnds reads when the jobs ended. It is the server's clock, which here is
// this machine's too.
func (s *posted) readEnds(ctx context.Context, c *clone, r *result) error {
	conn, err := pgx.Connect(ctx, c.url())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `SELECT j.id::text, j.finished_at, t.erased + t.erased_retained
		FROM oubli.jobs AS j JOIN oubli.tasks AS t ON t.job_id = j.id AND t.kind = 'batch' WHERE j.finished_at IS NOT NULL`)
	if err != nil {
		return err
	}
	var id string
	var end, last time.Time
	var erased int
	var took []time.Duration
	r.Clients = 0
	_, err = pgx.ForEachRow(rows, []any{&id, &end, &erased}, func() error {
		if began, ours := s.at[id]; ours {
			took = append(took, end.Sub(began))
			r.Clients += erased
			if end.After(last) {
				last = end
			}
		}
		return nil
	})
	if err == nil && (len(took) != len(s.at) || r.Clients != len(s.at)) {
		err = fmt.Errorf("%d jobs were accepted; %d ended, and %d clients were erased", len(s.at), len(took), r.Clients)
	}
	r.Single.PostMS, r.Single.FinishedMS = figures.Spread(s.took), figures.Spread(took)
	r.Single.Finished = float64(len(took)) / last.Sub(r.start).Seconds()
	return err
}

// mailAgain lets a copy of each mail be sent, when there is nothing else to do.
func (p *program) mailAgain(ctx context.Context, c *clone, r *result) error {
	conn, err := pgx.Connect(ctx, c.url())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	mails := len(p.inbox.Mails())
	tag, err := conn.Exec(ctx, `INSERT INTO oubli.tasks (id, job_id, tenant_id, kind, queue, number, letter)
		SELECT gen_random_uuid(), job_id, tenant_id, kind, queue, number + 1000, letter FROM oubli.tasks WHERE kind = 'mail'`)
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := p.inbox.Wait(ctx, mails+int(tag.RowsAffected())); err != nil {
		return err
	}
	r.Single.Mails = float64(tag.RowsAffected()) / time.Since(began).Seconds()
	return nil
}

// mixed lists the set's clients so that neighbours are of different tenants.
func (c *clientSet) mixed() []int {
	const step = 7919 // a prime, far larger than the number of tenants
	order := make([]int, len(c.ids))
	for i := range order {
		order[i] = i * step % len(c.ids)
	}
	if len(c.ids)%step == 0 {
		for i := range order {
			order[i] = i
		}
	}
	return order
}

// carrier is asynq alone, with Redis as oubli has it: tasks that do nothing,
// enqueued by sixteen goroutines and handled by two.
func (p *program) carrier(ctx context.Context, _ *clone, who *clientSet, r *result) error {
	opt, err := redis.ParseURL(p.redis.URL(1))
	if err != nil {
		return err
	}
	link := redis.NewClient(opt)
	defer link.Close()
	var done atomic.Int64
	ended := make(chan struct{})
	srv := asynq.NewServerFromRedisClient(link, asynq.Config{
		Concurrency:       2,
		TaskCheckInterval: 200 * time.Millisecond,
		LogLevel:          asynq.FatalLevel,
	})
	mux := asynq.NewServeMux()
	mux.HandleFunc("empty", func(context.Context, *asynq.Task) error {
		if done.Add(1) == int64(len(who.ids)) {
			close(ended)
		}
		return nil
	})
	if err := srv.Start(mux); err != nil {
		return err
	}
	defer srv.Shutdown()
	client := asynq.NewClientFromRedisClient(link)
	r.restart()
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, posters)
	for n := range posters {
		all.Go(func() {
			for next.Add(1) <= int64(len(who.ids)) && errs[n] == nil {
				_, errs[n] = client.EnqueueContext(ctx, asynq.NewTask("empty", nil), asynq.MaxRetry(0))
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	select {
	case <-ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.stop()
	return nil
}

// sentence is what is told of single erasures while others are still to come.
func (s *single) sentence() string {
	text := fmt.Sprintf("; POST p50 %.1f, p99 %.1f ms; POST to finished p50 %.0f, p99 %.0f ms; "+
		"accepted %.0f/s, finished %.0f/s, API %.1f s of CPU",
		s.PostMS.Median, s.PostMS.P99, s.FinishedMS.Median, s.FinishedMS.P99, s.Accepted, s.Finished, s.APICPU)
	if s.Mails > 0 {
		text += fmt.Sprintf(", mails alone %.0f/s", s.Mails)
	}
	return text
}

// printSingle prints what was measured of single erasures, for one job each.
func (r *report) printSingle(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "contender\tjobs/s\t× the loop\taccepted/s\tPOST p50, ms\tp99\tfinished p50, ms\tp99\tmails/s\t"+
		"WAL KiB/job\tCPU ms/job: server\tworker\tAPI\t")
	for _, x := range r.Medians {
		each := 1000 / float64(max(x.Clients, 1))
		ratio := ""
		for _, l := range r.Results {
			if l.Run == x.Run && l.Name == nameLoop && x.Name != nameLoop {
				ratio = fmt.Sprintf("%.2f", x.PerSecond/l.PerSecond)
			}
		}
		fmt.Fprintf(w, "%s\t%.0f\t%s\t", x.Name, x.PerSecond, ratio)
		if s := x.Single; s != nil {
			fmt.Fprintf(w, "%.0f\t%.1f\t%.1f\t%.0f\t%.0f\t%.0f\t",
				s.Accepted, s.PostMS.Median, s.PostMS.P99, s.FinishedMS.Median, s.FinishedMS.P99, s.Mails)
		} else {
			fmt.Fprint(w, "\t\t\t\t\t\t")
		}
		if s := x.Single; s != nil {
			fmt.Fprintf(w, "%.0f\t%.2f\t%.2f\t%.2f\t\n", float64(s.WALBytes)/1024*each/1000, s.ServerCPU*each, x.CPUSeconds*each, s.APICPU*each)
		} else {
			fmt.Fprintf(w, "%.0f\t%.2f\t\t\t\n", float64(x.WALBytes)/1024*each/1000, x.ServerCPU*each)
		}
	}
	return w.Flush()
}
