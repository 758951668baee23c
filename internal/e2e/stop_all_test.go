package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/cli"
)

// promised is how long docs/operations.md says that stopping takes.
const promised = 25 * time.Second

// sendSlowly begins a request whose body never comes, and returns once the API
// reads it.
func sendSlowly(t *testing.T, service *app.Service) {
	t.Helper()
	conn, err := net.Dial("tcp", service.APIAddr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "POST /v1/erasures HTTP/1.1\r\nHost: oubli\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
		"Idempotency-Key: slow\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n", mustMint(t, "1", "admin"))
	// The server sends this when the handler begins to read.
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("the API does not wait for the body: %q, %v", line, err)
	}
	fmt.Fprint(conn, "{")
}

// profile begins a profile or a trace of a minute and returns once the function
// of net/http/pprof runs; the channel is closed when it has ended.
func profile(t *testing.T, service *app.Service, path, function string) (ended chan struct{}) {
	t.Helper()
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		resp, err := http.Get("http://" + service.OpsAddr + path + "?seconds=60")
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}()
	bookingdb.Wait(t, "the profile to run", func() bool {
		_, stacks := readPage(t, service, "/debug/pprof/goroutine?debug=2")
		return strings.Contains(stacks, function+"(")
	})
	return ended
}

func TestNothingThatHangsKeepsAServiceFromStoppingInTime(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.slots, s.batch = 1, 200
	g := newGate(t, "chunk:erased")
	service := s.start(t, both, app.Tuning{Failpoint: g.pass})
	asked := s.plain(t, 1, 110)
	mustErase(t, admin(t, service, "1"), apiclient.Erasure{ClientIDs: asked})
	g.await(t)
	sendSlowly(t, service)
	profiled := profile(t, service, "/debug/pprof/profile", "pprof.Profile")
	traced := profile(t, service, "/debug/pprof/trace", "pprof.Trace")
	if err := s.redisClient(t).Do(t.Context(), "CLIENT", "PAUSE", "120000", "ALL").Err(); err != nil {
		t.Fatal(err)
	}

	stopped := make(chan error, 1)
	bound := time.After(promised)
	go func() { stopped <- service.Stop(context.Background()) }()
	bookingdb.Wait(t, "the listeners to close", func() bool { return !listens(service.OpsAddr) && !listens(service.APIAddr) })
	g.open()
	select {
	case err := <-stopped:
		if err != nil {
			t.Errorf("stop: %v", err)
		}
	case <-bound:
		t.Fatalf("the service has not stopped within %s", promised)
	}
	for what, ended := range map[string]chan struct{}{"profile": profiled, "trace": traced} {
		select {
		case <-ended:
		case <-bound:
			t.Errorf("the %s goes on", what)
		}
	}
	if n := s.Int(t, `SELECT count(*) FROM oubli.tasks
		WHERE kind = 'batch' AND state = 'pending' AND lease_until IS NULL AND failures = 0 AND crashes = 0`); n != 1 {
		t.Errorf("the batch was not given back: %s", s.Strings(t, "SELECT t::text FROM oubli.tasks t"))
	}
	if left := len(s.Existing(t, asked)); left == 0 || left == len(asked) {
		t.Errorf("%d of %d are left, want that the chunk under way ended and no other began", left, len(asked))
	}
}

func TestAStopThatMayNotWaitSaysWhatHasNotEnded(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.slots = 1
	g := newGate(t, "chunk:erased")
	service := s.start(t, both, app.Tuning{Failpoint: g.pass})
	mustErase(t, admin(t, service, "1"), apiclient.Erasure{ClientIDs: s.plain(t, 1, 10)})
	g.await(t)
	at, now := context.WithCancel(t.Context())
	now()
	err := service.Stop(at)
	if err == nil || !strings.Contains(err.Error(), "stop worker: it had not ended") {
		t.Errorf("got %v", err)
	}
	g.open()
}

// signalledKey makes this test binary the program, as cmd/oubli runs it, with a
// worker that stays in its first chunk.
const signalledKey = "OUBLI_TEST_STAYS"

func signalled() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := app.Environment{Variables: os.Environ(), ReadFile: os.ReadFile}
	stay := func(at string) {
		if at == "chunk:erased" {
			fmt.Fprintln(os.Stderr, "in a chunk")
			select {}
		}
	}
	if err := app.Run(ctx, env, onlyWorker, os.Stderr, app.Tuning{Failpoint: stay}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return cli.ExitExceptions
	}
	return cli.ExitDone
}

func TestASecondSignalEndsTheProgramAtOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := admin(t, s.start(t, onlyAPI, app.Tuning{}), "1")
	mustErase(t, c, apiclient.Erasure{ClientIDs: s.plain(t, 1, 10)})
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(s.environ(), signalledKey+"=1")
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	says := func(what string) {
		t.Helper()
		bookingdb.Wait(t, "the log to say "+what, func() bool { return strings.Contains(s.log.String(), what) })
	}
	says("in a chunk")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	says("stopping: finishing what is under way")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != cli.ExitExceptions {
		t.Errorf("the program ended with %v", err)
	}
	says("stop worker: it had not ended")
	s.log.Reset() // a process that dies in a chunk leaves lines that are not JSON
}
