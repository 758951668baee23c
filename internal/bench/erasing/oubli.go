package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/bench/figures"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/jobs"
)

// authSecret signs the benchmark's tokens.
const authSecret = "a secret of the benchmark, 32 bytes and more"

// program is the oubli to measure, and the servers that it needs besides
// PostgreSQL.
type program struct {
	path  string
	env   []string // more variables, for every command
	redis *local.Redis
	inbox *local.Inbox
	dir   string
	token string
}

func openProgram(ctx context.Context, path string, env ...string) (_ *program, err error) {
	p := &program{path: path, env: env}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.dir, err = os.MkdirTemp("", "oubli-bench-"); err != nil {
		return nil, err
	}
	if err = os.WriteFile(p.mapFile(), booking.Map(), 0o600); err != nil {
		return nil, err
	}
	if p.redis, err = local.StartRedis(ctx, local.RedisOptions{AppendOnly: true}); err != nil {
		return nil, err
	}
	if p.inbox, err = local.StartInbox(ctx); err != nil {
		return nil, err
	}
	out, err := p.run(ctx, "", "token", "--tenant", "*", "--role", "admin",
		"--subject", "bench", "--email", "bench@example.org", "--ttl", "24h")
	p.token = strings.TrimSpace(string(out))
	return p, err
}

func (p *program) mapFile() string { return filepath.Join(p.dir, "oubli.yaml") }

func (p *program) close() error {
	var errs []error
	if p.redis != nil {
		errs = append(errs, p.redis.Close())
	}
	if p.inbox != nil {
		errs = append(errs, p.inbox.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}

func (p *program) command(ctx context.Context, database string, settings []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "OUBLI_AUTH_SECRET=" + authSecret, "OUBLI_MAP=" + p.mapFile(), "OUBLI_MAIL_FROM=oubli@example.org",
		"OUBLI_LISTEN=127.0.0.1:0", "OUBLI_OPS_LISTEN=127.0.0.1:0", "OUBLI_LOG_LEVEL=debug",
		"OUBLI_REDIS_URL=" + p.redis.URL(0), "OUBLI_SMTP_URL=" + p.inbox.URL(),
	}, p.env...)
	if database != "" {
		cmd.Env = append(cmd.Env, "OUBLI_DATABASE_URL="+database)
	}
	cmd.Env = append(cmd.Env, settings...)
	return cmd
}

// run runs a command that ends by itself.
func (p *program) run(ctx context.Context, database string, args ...string) ([]byte, error) {
	cmd := p.command(ctx, database, nil, args...)
	out, err := cmd.Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("oubli %s: %w: %s", args[0], err, strings.TrimSpace(string(e.Stderr)))
	}
	return out, err
}

// process is a running oubli serve or oubli worker.
type process struct {
	cmd  *exec.Cmd
	stop context.CancelFunc
	up   chan string // gets the API's address once it is up
	done chan error

	mu     sync.Mutex
	chunks []time.Duration // how long each took
	sizes  []int
	retry  int    // batches that were given back
	last   string // of its log
}

func (p *program) start(ctx context.Context, database string, settings []string, args ...string) (*process, error) {
	ctx, stop := context.WithCancel(ctx)
	s := &process{cmd: p.command(ctx, database, settings, args...), stop: stop, up: make(chan string, 1), done: make(chan error, 1)}
	logs, err := s.cmd.StderrPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("start oubli %s: %w", args[0], err)
	}
	go func() {
		s.read(logs)
		s.done <- s.cmd.Wait()
	}()
	return s, nil
}

// read follows the log.
func (s *process) read(logs io.Reader) {
	lines := bufio.NewScanner(logs)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l struct {
			Message string  `json:"message"`
			API     string  `json:"api"`
			Took    float64 `json:"took"` // milliseconds
			Clients int     `json:"clients"`
		}
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			l.Message = lines.Text()
		}
		s.mu.Lock()
		s.last = lines.Text()
		switch {
		case l.Message == "oubli is up":
			s.up <- l.API
		case l.Message == "chunk done":
			s.chunks, s.sizes = append(s.chunks, time.Duration(l.Took*float64(time.Millisecond))), append(s.sizes, l.Clients)
		case strings.Contains(l.Message, "given back"):
			s.retry++
		}
		s.mu.Unlock()
	}
}

func (s *process) ready(ctx context.Context) (api string, err error) {
	select {
	case api = <-s.up:
		return api, nil
	case err := <-s.done:
		s.done <- err
		return "", fmt.Errorf("oubli ended at once: %w: %s", err, s.last)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// end stops the process with SIGTERM, and returns its peak of memory in MiB and
// the CPU time that it used.
func (s *process) end() (peak float64, cpu time.Duration, err error) {
	_, peak = figures.Resident(s.cmd.Process.Pid)
	s.stop()
	err = <-s.done
	if state := s.cmd.ProcessState; state != nil {
		cpu = state.UserTime() + state.SystemTime()
		if state.Success() {
			err = nil
		}
	}
	return peak, cpu, err
}

// setup is how oubli runs in one measurement.
type setup struct {
	slots    int
	settings []string
	url      func(*clone) string
	inactive bool          // erase all inactive clients of the largest tenant, not the set
	most     time.Duration // then cancel the jobs, and count the clients erased so far; 0: never
}

// prepare adds the control schema to a copy.
func (p *program) prepare(ctx context.Context, c *clone) error {
	if _, err := p.run(ctx, c.url(), "migrate"); err != nil {
		return err
	}
	return nil
}

// erase is contender (d): from the HTTP request to the mail.
func (p *program) erase(s setup) contender {
	return func(ctx context.Context, c *clone, who *clientSet, r *result) (err error) {
		url := c.url()
		if s.url != nil {
			url = s.url(c)
		}
		settings := append([]string{"OUBLI_CONCURRENCY=" + strconv.Itoa(s.slots)}, s.settings...)
		api, err := p.start(ctx, url, settings, "serve")
		if err != nil {
			return err
		}
		defer func() {
			peak, _, e := api.end()
			r.APIPeakMiB = peak
			err = errors.Join(err, e)
		}()
		worker, err := p.start(ctx, url, settings, "worker")
		if err != nil {
			return err
		}
		defer func() {
			peak, cpu, e := worker.end()
			r.PeakMiB, r.CPUSeconds, r.Retries = peak, cpu.Seconds(), worker.retry
			chunks := figures.Spread(worker.chunks)
			r.ChunkMS, r.LongestMS = &chunks, chunks.Max
			r.ChunkClients = median(worker.sizes)
			err = errors.Join(err, e)
		}()
		addr, err := api.ready(ctx)
		if err != nil {
			return err
		}
		if _, err := worker.ready(ctx); err != nil {
			return err
		}
		if s.inactive {
			return p.followInactive(ctx, apiclient.New("http://"+addr, p.token), r)
		}
		return p.follow(ctx, apiclient.New("http://"+addr, p.token), who, r, s.most)
	}
}

// follow requests the erasures and waits for the last mail.
func (p *program) follow(ctx context.Context, api *apiclient.Client, who *clientSet, r *result, most time.Duration) error {
	mails := len(p.inbox.Mails())
	requests := who.requests()
	var all []jobs.Job
	r.restart() // do not count the start of the processes
	for _, q := range requests {
		began := time.Now()
		j, err := api.CreateErasure(ctx, apiclient.Erasure{
			TenantID:  strconv.FormatInt(q.tenant, 10),
			ClientIDs: q.keys,
			Reason:    jobs.SubjectRequest,
		}, "")
		if err != nil {
			return err
		}
		r.AcceptMS = max(r.AcceptMS, ms(time.Since(began)))
		all = append(all, j)
	}
	wait, cancel := ctx, context.CancelFunc(func() {})
	if most > 0 {
		wait, cancel = context.WithTimeout(ctx, most)
	}
	defer cancel()
	_, err := p.inbox.Wait(wait, mails+len(requests))
	r.stop()
	if err != nil && ctx.Err() != nil {
		return err
	}
	erased := 0
	for _, j := range all {
		if j, err = api.Get(ctx, j.ID); err != nil {
			return err
		}
		if most == 0 && (!j.State.Final() || j.Counts.Erased+j.Counts.ErasedRetained != j.Requested && !r.booked) {
			return fmt.Errorf("a job ended as %s with %+v", j.State, j.Counts)
		}
		erased += j.Counts.Erased + j.Counts.ErasedRetained
		for _, n := range j.Rows {
			r.Rows += n
		}
	}
	r.Clients = erased
	return nil
}

func median(n []int) int {
	if len(n) == 0 {
		return 0
	}
	sorted := sortedInts(n)
	return sorted[len(sorted)/2]
}
