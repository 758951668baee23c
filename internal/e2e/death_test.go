package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/cli"
	"github.com/oubli/oubli/jobs"
)

// diesAtKey makes this test binary a worker that kills itself with SIGKILL at a
// failpoint. The value is a name, such as "mail:sent", for the first failpoint of
// this name; or a number n, for the nth failpoint of any name; 0 is never.
const diesAtKey = "OUBLI_TEST_DIES_AT"

// shortLease is how long a silent worker keeps its batch in these tests.
const shortLease = 2 * time.Second

func TestMain(m *testing.M) {
	if at, ok := os.LookupEnv(diesAtKey); ok {
		os.Exit(mortal(at))
	}
	if _, ok := os.LookupEnv(signalledKey); ok {
		os.Exit(signalled())
	}
	os.Exit(m.Run())
}

func mortal(at string) int {
	var passed atomic.Int64
	die := func(name string) {
		if n := passed.Add(1); name != at && strconv.FormatInt(n, 10) != at {
			return
		}
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		if err != nil {
			panic(err)
		}
		select {} // until the signal comes
	}
	env := app.Environment{Variables: os.Environ(), ReadFile: os.ReadFile}
	log := zerolog.New(os.Stderr).With().Int("pid", os.Getpid()).Logger()
	s, err := app.Start(context.Background(), env, onlyWorker, log, app.Tuning{Lease: shortLease, Failpoint: die})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return cli.ExitExceptions
	}
	fmt.Fprintln(os.Stderr, <-s.Failed())
	return cli.ExitExceptions
}

// process starts a worker in a process of its own and returns a channel that
// is closed when it is dead.
func (s *stack) process(t *testing.T, diesAt string) (dead chan struct{}) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(s.environ(), diesAtKey+"="+diesAt)
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dead = make(chan struct{})
	go func() {
		defer close(dead)
		if err := cmd.Wait(); err != nil && err.Error() != "signal: killed" {
			t.Errorf("the worker process ended with %v", err)
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-dead
	})
	return dead
}

func TestWorkersThatAreKilledAnywhereLeaveNobodyHalfErased(t *testing.T) {
	t.Parallel()
	const seed, deaths = 3, 5
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	s := newStack(t)
	s.batch = 20
	c := admin(t, s.start(t, onlyAPI, app.Tuning{Lease: shortLease}), "1")
	asked := s.plain(t, 1, 110)
	before := s.snapshot(t, asked)
	// The job cannot end while a client is locked, so all workers die before.
	release := s.hold(t, asked[len(asked)-1])
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked})

	// Two workers run at a time: one dies while the other works.
	slots := make(chan struct{}, 2)
	var all sync.WaitGroup
	for range deaths {
		slots <- struct{}{}
		dead := s.process(t, strconv.Itoa(1+r.IntN(20)))
		all.Go(func() {
			<-dead
			<-slots
		})
	}
	bookingdb.Wait(t, "all deaths", func() bool { return len(slots) == 0 })
	all.Wait()
	// Some die before they claim anything.
	if n := s.Int(t, "SELECT coalesce(sum(attempt), 0) FROM oubli.tasks WHERE kind = 'batch'"); n < deaths/2 {
		t.Errorf("only %d claims in spite of %d deaths", n, deaths)
	}
	if mails := s.inbox.Mails(); len(mails) > 0 {
		t.Errorf("%d mails came before the end", len(mails))
	}
	release()
	s.process(t, "0")
	job = until(t, c, job.ID, "the end", mailed)
	if gone := before.holds(t, job); len(gone) != len(asked) || job.State != jobs.Completed {
		t.Errorf("%d of %d are gone: %+v", len(gone), len(asked), job)
	} else {
		before.expectRows(t, job, gone)
	}
	s.mails(t, 1)
}

func TestAMailWhoseRecordWasLostIsRecognisedAsARepeat(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := admin(t, s.start(t, onlyAPI, app.Tuning{Lease: shortLease}), "1")
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: s.plain(t, 1, 3)})
	dead := s.process(t, "mail:sent")
	bookingdb.Wait(t, "the worker's death after the mail", func() bool {
		select {
		case <-dead:
			return true
		default:
			return false
		}
	})
	if n := len(s.inbox.Mails()); n != 1 {
		t.Fatalf("%d mails at the server when its sender died, want 1", n)
	}
	// The lease of a mail is minutes, because a dialogue may last that long.
	s.Exec(t, "UPDATE oubli.tasks SET lease_until = now() WHERE kind = 'mail'")
	s.process(t, "0")
	job = until(t, c, job.ID, "the mail's record", mailed)
	mails := s.mails(t, 2)
	if first, second := parts(t, mails[0]), parts(t, mails[1]); first["id"] != second["id"] || string(mails[0].Data) != string(mails[1].Data) {
		t.Errorf("the repeat is another message: %q and %q", first["id"], second["id"])
	}
	if job.Mail != (jobs.MailStatus{State: jobs.MailSent, Attempts: 2}) {
		t.Errorf("%+v", job.Mail)
	}
}

func TestLosingEveryConnectionToPostgresInMidChunkLosesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.batch = 10
	var cuts, cut atomic.Int64
	const enough = 6
	service := s.start(t, both, app.Tuning{Lease: shortLease, Failpoint: func(at string) {
		// Each cut hits one worker at a known point, and the other one anywhere.
		n := cuts.Add(1)
		if n > 2*enough || n%2 == 0 || at == "mail:sent" {
			return
		}
		tag, err := s.Pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'oubli'`)
		if err != nil {
			t.Error(err)
		}
		cut.Add(tag.RowsAffected())
	}})
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 100)
	before := s.snapshot(t, asked)
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked})
	job = until(t, c, job.ID, "the end", mailed)
	if gone := before.holds(t, job); len(gone) != len(asked) || job.State != jobs.Completed {
		t.Errorf("%d of %d are gone: %+v", len(gone), len(asked), job)
	} else {
		before.expectRows(t, job, gone)
	}
	if cuts.Load() < 2*enough || cut.Load() < enough {
		t.Errorf("%d connections were cut, at %d places", cut.Load(), cuts.Load()/2)
	}
	s.mails(t, 1)
}
