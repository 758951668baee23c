package e2e

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/cli"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/internal/schema"
)

// leakSearch is a stack on a PostgreSQL of its own that records everything that
// could contain a client's data, to be searched in the end: PostgreSQL's log with
// all statements, all commands to Redis, all answers of the API.
type leakSearch struct {
	*stack
	service   *app.Service
	server    *local.Postgres
	commands  logBuffer // to Redis
	answers   logBuffer // of the API
	pages     logBuffer // of the operations listener, while jobs ran
	console   logBuffer // of the command line
	ids       []string  // of erasures
	merges    []string
	moved     []string // clients who were merged into another
	selection string
}

func newLeakSearch(t *testing.T) *leakSearch {
	t.Helper()
	server, err := local.StartPostgres(t.Context(), local.PostgresOptions{Settings: map[string]string{
		"log_statement": "all", "log_connections": "on", "log_lock_waits": "on", "deadlock_timeout": "50ms",
		"log_autovacuum_min_duration": "0", "log_checkpoints": "on", "shared_buffers": "512MB",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	h := &leakSearch{server: server}
	h.preload(t)
	h.stack = newStackOn(t, bookingdb.On(t, server.URL("postgres"), traced))
	// On a busy machine chunks of 100 ms would be of one client each.
	h.batch, h.further = 250, []string{"OUBLI_CHUNK_TARGET=2s"}
	h.monitor(t)
	return h
}

// preload adds pg_stat_statements if it is installed, and keeps the statements of
// the superuser, which are the test's own, out of the server's log.
func (h *leakSearch) preload(t *testing.T) {
	t.Helper()
	db := bookingdb.Connect(t, h.server.URL("postgres"))
	db.Exec(t, "ALTER ROLE postgres SET log_statement = 'none'")
	db.Exec(t, "ALTER ROLE postgres SET log_min_messages = 'log'")
	if db.Int(t, "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_stat_statements'") == 0 {
		return
	}
	db.Exec(t, "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
	db.Pool.Close()
	h.server.Stop()
	if err := h.server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// grant gives the roles their rights anew, since the map has changed.
func (h *leakSearch) grant(t *testing.T) {
	t.Helper()
	m, err := erasuremap.Load(h.mapFile)
	if err != nil {
		t.Fatal(err)
	}
	p, gaps, _, err := schema.Check(t.Context(), h.server.URL("booking"), m)
	if err != nil || len(gaps) > 0 {
		t.Fatal(err, gaps)
	}
	h.Exec(t, p.GrantScript("oubli_test_api", h.WorkerRole))
}

// monitor records every command to Redis.
func (h *leakSearch) monitor(t *testing.T) {
	t.Helper()
	o, err := redis.ParseURL(h.redis.URL(0))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", o.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if o.Password != "" {
		fmt.Fprintf(conn, "AUTH %s\r\n", o.Password)
	}
	fmt.Fprint(conn, "MONITOR\r\n")
	t.Cleanup(func() { _ = conn.Close() })
	go func() { _, _ = io.Copy(&h.commands, conn) }()
}

// record puts a proxy before the API that records its answers.
func (h *leakSearch) record(t *testing.T) {
	t.Helper()
	api, err := url.Parse("http://" + h.service.APIAddr)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(api)
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		fmt.Fprintf(&h.answers, "%s\n%v\n%s\n", r.Status, r.Header, body)
		return err
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	h.service.APIAddr = front.Listener.Addr().String()
}

// markersOf are all markers of the clients: those of the generator, and the
// date and the number that plantSQL gives them.
func markersOf(t *testing.T, clients []string) map[string]bool {
	t.Helper()
	all := make(map[string]bool, 5*len(clients))
	for _, id := range bookingdb.IDs(t, clients) {
		for _, m := range booking.Markers(id) {
			all[m] = true
		}
		all[birthday(id)] = true
		all[taxNumber(id)] = true
	}
	return all
}

// finding is what a search of one place gave.
type finding struct {
	place    string
	bytes    int
	found    int
	examples []string
}

// searchIn searches one place.
func searchIn(place string, content []byte, wanted map[string]bool) finding {
	all := marked(content, wanted)
	some := slices.Compact(slices.Sorted(slices.Values(all)))
	return finding{place, len(content), len(all), some[:min(3, len(some))]}
}

// search searches every place, always in the same order: the application's tables
// and the statistics for the markers inTables, all other places for wanted.
func (h *leakSearch) search(t *testing.T, inTables, wanted map[string]bool) []finding {
	t.Helper()
	console := h.commandLine(t) // which asks the API
	all := append(h.dump(t, retainedColumns, inTables, wanted),
		searchIn("PostgreSQL's views of sessions and statements", h.sessions(t), wanted),
		searchIn("PostgreSQL's own log, log_statement = all", mustRead(t, h.server.LogFile()), wanted),
		searchIn("Redis: keys and values", h.keys(t), wanted),
		searchIn("Redis: every command ever sent", []byte(h.commands.String()), wanted),
		searchIn("the log at debug level", []byte(h.log.String()), wanted),
		searchIn("API: answers and problem documents", []byte(h.answers.String()), wanted),
		searchIn("mails", h.mailTexts(t), wanted),
		searchIn("command line", []byte(console), wanted),
	)
	shown := pages()
	for _, page := range slices.Sorted(maps.Keys(shown)) {
		all = append(all, searchIn(page, h.read(t, shown[page]), wanted))
	}
	return append(all, searchIn("operations pages during the work", []byte(h.pages.String()), wanted))
}

// retainedColumns are the columns that the law requires to keep.
const retainedColumns = "billing_name,billing_address,billing_email"

// dump searches every row of every table of the database, by schema, the
// catalogs with their statistics included. Columns to leave out are of invoices.
func (h *leakSearch) dump(t *testing.T, without string, inTables, control map[string]bool) []finding {
	t.Helper()
	conn, err := h.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	names := map[string]string{
		"public":     "tables and views, all columns",
		"oubli":      "control schema, all columns",
		"pg_catalog": "catalogs, pg_statistic and large objects included",
	}
	var found []finding
	for _, schema := range []string{"public", "oubli", "pg_catalog"} {
		var content bytes.Buffer
		for _, table := range h.Strings(t, `SELECT c.oid::regclass::text FROM pg_class c
			WHERE relnamespace = $1::text::regnamespace AND relkind IN ('r', 'm') ORDER BY 1`, schema) {
			what := "TABLE " + table
			switch {
			case without == "":
			case table == "invoices":
				what = "SELECT to_jsonb(t) - '{" + without + "}'::text[] FROM invoices t"
			case table == "pg_statistic": // which contains values of the application's tables
				what = `SELECT s.* FROM pg_statistic s WHERE NOT EXISTS (SELECT FROM pg_attribute
					WHERE attrelid = starelid AND attnum = staattnum AND attrelid = 'invoices'::regclass AND attname = ANY ('{` + without + `}'))`
			}
			if _, err := conn.Conn().PgConn().CopyTo(t.Context(), &content, "COPY ("+what+") TO STDOUT"); err != nil {
				t.Fatal(table, err)
			}
		}
		wanted := inTables
		if schema == "oubli" {
			wanted = control
		}
		found = append(found, searchIn(names[schema], unescaped(content.Bytes()), wanted))
	}
	return found
}

// unescaped adds what bytea columns hold, which a dump shows in hexadecimal.
func unescaped(content []byte) []byte {
	var extra bytes.Buffer
	for rest := content; ; {
		i := bytes.Index(rest, []byte(`\\x`))
		if i < 0 {
			break
		}
		rest = rest[i+3:]
		n := 0
		for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] >= 'a' && rest[n] <= 'f') {
			n++
		}
		for k := 0; k+1 < n; k += 2 {
			b, _ := strconv.ParseUint(string(rest[k:k+2]), 16, 8)
			extra.WriteByte(byte(b))
		}
		extra.WriteByte('\n')
	}
	return append(content, extra.Bytes()...)
}

// retained counts the values of erased clients that invoices keep.
func (h *leakSearch) retained(t *testing.T, wanted map[string]bool) int {
	t.Helper()
	held := h.Strings(t, "SELECT concat_ws(' ', billing_name, billing_address, billing_email) FROM invoices")
	return len(marked([]byte(strings.Join(held, "\n")), wanted))
}

func (h *leakSearch) sessions(t *testing.T) []byte {
	t.Helper()
	views := []string{"pg_stat_activity", "pg_prepared_xacts", "pg_settings", "pg_replication_slots"}
	if h.Int(t, "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_stat_statements'") > 0 {
		h.Exec(t, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
		views = append(views, "pg_stat_statements")
	}
	var all []string
	for _, view := range views {
		all = append(all, h.Strings(t, "SELECT v::text FROM "+view+" v")...)
	}
	return []byte(strings.Join(all, "\n"))
}

// keys returns all keys and values of Redis.
func (h *leakSearch) keys(t *testing.T) []byte {
	t.Helper()
	r := h.redisClient(t)
	var all bytes.Buffer
	for _, key := range r.Keys(t.Context(), "*").Val() {
		fmt.Fprintln(&all, key, r.Get(t.Context(), key).Val(), r.HGetAll(t.Context(), key).Val(), r.SMembers(t.Context(), key).Val(),
			r.LRange(t.Context(), key, 0, -1).Val(), r.ZRange(t.Context(), key, 0, -1).Val())
	}
	return all.Bytes()
}

// mailTexts returns every mail, encoded and decoded.
func (h *leakSearch) mailTexts(t *testing.T) []byte {
	t.Helper()
	var all bytes.Buffer
	for _, m := range h.inbox.Mails() {
		fmt.Fprintln(&all, m.From, m.To, string(m.Data), readable(t, m))
	}
	return all.Bytes()
}

// pages returns the pages of the operations listener, by path.
func pages() map[string][]string {
	all := map[string][]string{
		"metrics": {"/metrics"},
		"dashboard": {"/monitoring/", "/monitoring/api/queues", "/monitoring/api/servers", "/monitoring/api/redis_info",
			"/monitoring/api/queue_stats"},
		"operations pages and probes": {"/", "/healthz", "/readyz"},
		"pprof and other internals": {
			"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1",
			"/debug/pprof/allocs?debug=1", "/debug/pprof/threadcreate?debug=1", "/debug/pprof/block?debug=1",
			"/debug/pprof/mutex?debug=1", "/debug/pprof/cmdline", "/debug/pprof/symbol", "/debug/vars",
		},
	}
	for _, queue := range []string{"interactive", "bulk", "mail"} {
		all["dashboard"] = append(all["dashboard"], "/monitoring/api/queues/"+queue)
		for _, state := range []string{"pending", "active", "scheduled", "retry", "archived", "completed"} {
			all["dashboard"] = append(all["dashboard"], "/monitoring/api/queues/"+queue+"/"+state+"_tasks")
		}
	}
	return all
}

func (h *leakSearch) read(t *testing.T, paths []string) []byte {
	t.Helper()
	var all bytes.Buffer
	for _, path := range paths {
		resp, err := http.Get("http://" + h.service.OpsAddr + path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&all, path, resp.Status, resp.Header)
		_, err = all.ReadFrom(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.Bytes()
}

// visitPages requests every page that an operator can see.
func (h *leakSearch) visitPages(t *testing.T) {
	t.Helper()
	for _, paths := range pages() {
		_, _ = h.pages.Write(h.read(t, paths))
	}
}

// commandLine runs the commands that show jobs and the database, and returns all
// output of the command line so far.
func (h *leakSearch) commandLine(t *testing.T) string {
	t.Helper()
	environ := append(h.environ(), "OUBLI_URL=http://"+h.service.APIAddr, "OUBLI_TOKEN="+mustMint(t, "*", "admin"))
	run := func(args ...string) {
		code := cli.Run(t.Context(), args, environ, strings.NewReader(""), &h.console, &h.console)
		fmt.Fprintln(&h.console, args, code)
	}
	run("status")
	for _, id := range h.ids {
		run("status", id, "--clients")
		run("status", id, "--json")
	}
	for _, id := range h.merges {
		run("status", id, "--clients")
	}
	run("check")
	run("plan")
	run("plan", "--kind", "merge")
	run("grants")
	run("scrub")
	return h.console.String()
}

// previews reads the selection again, which must not show erased clients.
func (h *leakSearch) previews(t *testing.T) {
	t.Helper()
	for cursor := ""; ; {
		var l struct {
			Items []struct {
				Name string
			}
			Next string
		}
		path := "/v1/selections/" + h.selection + "/clients?limit=1000" + cursor
		if status, code := ask(t, h.service, http.MethodGet, path, mustMint(t, "4", "admin"), "", &l); status != http.StatusOK {
			t.Fatalf("the preview is answered %d %s", status, code)
		}
		if cursor = "&cursor=" + l.Next; l.Next == "" {
			return
		}
	}
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
