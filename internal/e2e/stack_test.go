package e2e

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/httpapi"
	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/internal/testdb"
	"github.com/oubli/oubli/internal/testlog"
	"github.com/oubli/oubli/jobs"
)

// stack is a booking database, a Redis and an inbox for one test, for services to
// run on.
type stack struct {
	*bookingdb.DB
	redis   *local.Redis
	queue   string // OUBLI_REDIS_URL; redis unless set
	inbox   *local.Inbox
	mapFile string
	batch   int      // OUBLI_BATCH_CLIENTS
	slots   int      // OUBLI_CONCURRENCY
	further []string // settings
	log     logBuffer
}

// people is how many clients the four studios of a stack have together.
const people = 600

func newStack(t *testing.T) *stack {
	t.Helper()
	return newStackOn(t, bookingdb.New(t, people))
}

func newStackOn(t *testing.T, db *bookingdb.DB) *stack {
	t.Helper()
	s := &stack{DB: db, redis: testdb.RedisServer(t, local.RedisOptions{}), batch: 40, slots: 2}
	var err error
	if s.inbox, err = local.StartInbox(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.inbox.Close() })
	s.mapFile = filepath.Join(t.TempDir(), "oubli.yaml")
	s.writeMap(t, string(booking.Map()))
	// Runs once every service has stopped.
	t.Cleanup(func() {
		s.log.namesNobody(t)
		s.log.usesDocumentedKeys(t)
		if t.Failed() {
			t.Logf("the log:\n%s", s.log.tail(60))
		}
	})
	return s
}

func (s *stack) writeMap(t *testing.T, content string) {
	t.Helper()
	if err := os.WriteFile(s.mapFile, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// extendMap inserts text at the beginning of a section of the map.
func (s *stack) extendMap(t *testing.T, section, text string) {
	t.Helper()
	before, after, found := strings.Cut(string(booking.Map()), "\n"+section+":\n")
	if !found {
		t.Fatalf("the map has no section %s", section)
	}
	s.writeMap(t, before+"\n"+section+":\n"+text+"\n"+after)
}

// environ returns the environment of a service on this stack.
func (s *stack) environ() []string {
	return append([]string{
		"OUBLI_DATABASE_URL=" + s.URL, "OUBLI_REDIS_URL=" + cmp.Or(s.queue, s.redis.URL(0)), "OUBLI_SMTP_URL=" + s.inbox.URL(),
		"OUBLI_MAP=" + s.mapFile, "OUBLI_AUTH_SECRET=" + authSecret, "OUBLI_MAIL_FROM=oubli <oubli@example.org>",
		"OUBLI_LISTEN=127.0.0.1:0", "OUBLI_OPS_LISTEN=127.0.0.1:0", "OUBLI_LOG_LEVEL=debug",
		fmt.Sprintf("OUBLI_BATCH_CLIENTS=%d", s.batch), fmt.Sprintf("OUBLI_CONCURRENCY=%d", s.slots),
	}, s.further...)
}

var (
	both       = app.Parts{API: true, Worker: true}
	onlyAPI    = app.Parts{API: true}
	onlyWorker = app.Parts{Worker: true}
)

// start starts a service that stops with the test, if not before.
func (s *stack) start(t *testing.T, parts app.Parts, tune app.Tuning) *app.Service {
	t.Helper()
	environ := s.environ()
	if parts == onlyAPI { // under the API's role, which may change none of the application's tables
		environ[0] = "OUBLI_DATABASE_URL=" + s.APIURL
	}
	return s.startIn(t, environ, parts, tune)
}

// startWith starts a service with further settings.
func (s *stack) startWith(t *testing.T, parts app.Parts, settings ...string) *app.Service {
	t.Helper()
	return s.startIn(t, append(s.environ(), settings...), parts, app.Tuning{})
}

func (s *stack) startIn(t *testing.T, environ []string, parts app.Parts, tune app.Tuning) *app.Service {
	t.Helper()
	env := app.Environment{Variables: environ, ReadFile: os.ReadFile}
	service, err := app.Start(t.Context(), env, parts, zerolog.New(&s.log).With().Timestamp().Logger(), tune)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := service.Stop(context.Background()); err != nil {
			t.Errorf("stop service: %v", err)
		}
	})
	return service
}

// admin is an administrator of a studio.
func admin(t *testing.T, s *app.Service, studio string) *apiclient.Client {
	t.Helper()
	return apiclient.New("http://"+s.APIAddr, mustMint(t, studio, jobs.Admin))
}

// plain lists clients of a studio whom no guard protects, by id.
func (s *stack) plain(t *testing.T, studio, n int) []string {
	t.Helper()
	ids := s.Strings(t, `
		SELECT id::text FROM clients c WHERE studio_id = $1 AND NOT is_anonymous AND NOT legal_hold AND balance_cents = 0
		  AND NOT EXISTS (SELECT FROM appointments WHERE client_id = c.id AND starts_at > now())
		  AND NOT EXISTS (SELECT FROM invoices WHERE client_id = c.id AND status = 'open')
		ORDER BY id LIMIT $2`, studio, n)
	if len(ids) != n {
		t.Fatalf("studio %d has %d clients whom no guard protects, want %d", studio, len(ids), n)
	}
	return ids
}

// hold locks a client's row in another transaction, as a booking does, until
// release is called.
func (s *stack) hold(t *testing.T, client string) (release func()) {
	t.Helper()
	tx, err := s.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	t.Cleanup(release)
	if _, err := tx.Exec(t.Context(), "SELECT FROM clients WHERE id = $1::text::bigint FOR KEY SHARE", client); err != nil {
		t.Fatal(err)
	}
	return release
}

// countAgain reads the totals that must not change again, after a test has added
// rows.
func (s *stack) countAgain(t *testing.T) {
	t.Helper()
	var err error
	if s.Totals, err = booking.Totals(t.Context(), s.Pool); err != nil {
		t.Fatal(err)
	}
}

// redisClient talks to the stack's Redis beside the service.
func (s *stack) redisClient(t *testing.T) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(s.redis.URL(0))
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// logBuffer is the log of every service on a stack, with the checks that each log must pass.
type logBuffer struct{ testlog.Buffer }

// tail is the last n lines, without those of requests that tests repeat while they wait.
func (j *logBuffer) tail(n int) string {
	lines := strings.Split(strings.TrimSpace(j.String()), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, `"method":"GET"`) })
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// namesNobody fails the test when the log contains a client's marker.
func (j *logBuffer) namesNobody(t *testing.T) {
	t.Helper()
	if found := marker.FindString(j.String()); found != "" {
		t.Errorf("the log contains a client's data: %q", found)
	}
}

// hint sends a hint for any task at any time, which a dispatcher would not.
func (s *stack) hint(t *testing.T, kind jobs.TaskKind, task string) {
	t.Helper()
	c := asynq.NewClientFromRedisClient(s.redisClient(t))
	hint := asynq.NewTask(kind.HintType(), jobs.Hint{TaskID: task}.Payload())
	_, err := c.EnqueueContext(t.Context(), hint, asynq.Queue(string(jobs.Bulk)), asynq.MaxRetry(0))
	if err != nil {
		t.Fatal(err)
	}
}

const authSecret = "0123456789abcdef0123456789abcdef"

// mustMint makes a token for a user of a tenant.
func mustMint(t *testing.T, tenant string, role jobs.Role) string {
	t.Helper()
	caller := jobs.Caller{Subject: "ops", Email: "ops@example.com", Tenant: tenant, Role: role}
	token, err := httpapi.Mint([]byte(authSecret), caller, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
