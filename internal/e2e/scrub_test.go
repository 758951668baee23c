package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/cli"
	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/internal/scrub"
	"github.com/oubli/oubli/jobs"
)

// The kinds of files that markers are counted in.
const (
	inTables     = "tables"
	inTOAST      = "TOAST"
	inIndexes    = "indexes"
	inStatistics = "pg_statistic"
	inWAL        = "pg_wal"
	elsewhere    = "others"
)

var places = []string{inTables, inTOAST, inIndexes, inStatistics, inWAL, elsewhere}

// disk is a server whose files can be searched, as they are after a checkpoint.
type disk struct {
	*stack
	server *local.Postgres
	wanted map[string]bool
	table  *tabwriter.Writer
	text   bytes.Buffer
}

func (d *disk) count(t *testing.T, when string) map[string]int {
	t.Helper()
	d.Exec(t, "CHECKPOINT")
	kinds := map[string]string{}
	for _, line := range d.Strings(t, `SELECT pg_relation_filepath(c.oid) || ' ' || CASE
		    WHEN coalesce(t.relname, c.relname) ~ '^pg_statistic' THEN $1
		    WHEN c.relkind IN ('r', 'm') THEN $2 WHEN c.relnamespace = 'pg_toast'::regnamespace THEN $3 ELSE $4 END
		FROM pg_class c LEFT JOIN pg_index x ON x.indexrelid = c.oid
		LEFT JOIN pg_class t ON t.reltoastrelid = coalesce(x.indrelid, c.oid) OR t.oid = x.indrelid
		WHERE pg_relation_filepath(c.oid) IS NOT NULL`, inStatistics, inTables, inTOAST, inIndexes) {
		file, kind, _ := strings.Cut(line, " ")
		kinds[file] = kind
	}
	found := map[string]int{}
	root := d.server.DataDir()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, _ := filepath.Rel(root, path)
		base, _, _ := strings.Cut(name, ".") // further segments of one file
		kind := kinds[base]
		switch {
		case strings.HasPrefix(name, "pg_wal/"):
			kind = inWAL
		case kind == "":
			kind = elsewhere
		}
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		found[kind] += len(marked(content, d.wanted))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(d.table, "%s", when)
	for _, p := range places {
		fmt.Fprintf(d.table, "\t%d", found[p])
	}
	fmt.Fprintln(d.table, "\t")
	return found
}

// console is the output of one run of the command.
type console struct {
	code     int
	out, err string
}

// scrubs runs the command as an operator.
func (s *stack) scrubs(t *testing.T, url string, args ...string) console {
	t.Helper()
	var out, errs bytes.Buffer
	env := append(s.environ(), "OUBLI_DATABASE_URL="+url)
	code := cli.Run(t.Context(), append([]string{"scrub"}, args...), env, strings.NewReader(""), &out, &errs)
	return console{code, out.String(), errs.String()}
}

// TestErasedValuesLeaveTheFilesLevelByLevel searches PostgreSQL's real files.
func TestErasedValuesLeaveTheFilesLevelByLevel(t *testing.T) {
	t.Parallel()
	server, err := local.StartPostgres(t.Context(), local.PostgresOptions{Settings: map[string]string{
		"wal_level": "replica", "full_page_writes": "on", "min_wal_size": "80MB", "autovacuum": "off",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	d := &disk{stack: newStackOn(t, bookingdb.On(t, server.URL("postgres"), 3000)), server: server, wanted: map[string]bool{}}
	d.batch = 1000
	d.table = tabwriter.NewWriter(&d.text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(d.table, "after\t%s\t\n", strings.Join(places, "\t"))
	d.Exec(t, `ALTER TABLE client_notes ALTER body SET STORAGE EXTERNAL;
		UPDATE client_notes n
		SET body = body || repeat(' ', 50) || c.last_name || (
		  SELECT string_agg(md5(i::text), '') FROM generate_series(n.id, n.id + 90) i)
		FROM clients c WHERE c.id = client_id;
		CREATE INDEX ON clients (lower(email));
		CREATE STATISTICS names (mcv) ON last_name, email FROM clients;
		ANALYZE`)
	asked := d.Strings(t, `SELECT id::text FROM clients c WHERE studio_id = 1 AND NOT legal_hold AND balance_cents = 0
		AND NOT EXISTS (SELECT FROM appointments WHERE client_id = c.id AND starts_at > now())
		AND NOT EXISTS (SELECT FROM invoices WHERE client_id = c.id AND status = 'open') ORDER BY id`)
	// Do not search for values that an invoice may keep.
	kept := d.Strings(t, "SELECT DISTINCT client_id::text FROM invoices")
	keeps := map[string]bool{}
	for _, id := range kept {
		keeps[id] = true
	}
	for i, id := range bookingdb.IDs(t, asked) {
		if !keeps[asked[i]] {
			for _, m := range booking.Markers(id) {
				d.wanted[m] = true
			}
		}
	}
	at := d.count(t, "planting")
	if at[inTables] == 0 || at[inTOAST] == 0 || at[inIndexes] == 0 || at[inStatistics] == 0 || at[inWAL] == 0 || at[elsewhere] > 0 {
		t.Fatalf("planted %v", at)
	}

	// Level 0: the workers may not refresh statistics.
	d.Exec(t, "REVOKE EXECUTE ON FUNCTION oubli.analyze(regclass) FROM "+d.WorkerRole)
	c := admin(t, d.start(t, both, app.Tuning{Pause: 50 * time.Millisecond}), "1")
	job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: asked}).ID, "the end", mailed)
	if job.State != jobs.Completed || job.Residue == nil || job.Residue.Level != jobs.ResidueLogical {
		t.Fatalf("%+v", job)
	}
	d.NoTraces(t, asked)
	if at := d.count(t, "0 logical"); at[inTables] == 0 || at[inIndexes] == 0 || at[inStatistics] == 0 || at[inWAL] == 0 {
		t.Errorf("level 0: %v; the search finds less than PostgreSQL leaves", at)
	}

	d.Exec(t, "GRANT EXECUTE ON FUNCTION oubli.analyze(regclass) TO "+d.WorkerRole)
	until(t, c, job.ID, "level 1", residueReached(jobs.ResidueStatistics))
	if now := d.inStatistics(t, asked); len(now) > 0 {
		t.Errorf("level 1: %v", now)
	}
	d.count(t, "1 statistics")
	d.Exec(t, "VACUUM")
	if at := d.count(t, "VACUUM"); at[inTables] == 0 || at[inStatistics] == 0 {
		t.Errorf("after VACUUM: %v; docs/fine-print.md says that it leaves most", at)
	}

	d.checkHeldUp(t)

	// Level 2: the owner of the database, who may not touch the log.
	d.Exec(t, `
		CREATE ROLE operator LOGIN PASSWORD 'operator';
		ALTER DATABASE booking OWNER TO operator;
		GRANT USAGE ON SCHEMA oubli TO operator;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA oubli TO operator`)
	operator := strings.Replace(d.URL, d.WorkerRole+":oubli-test@", "operator:operator@", 1)
	l := d.scrubs(t, operator)
	if l.code != cli.ExitDone || !strings.Contains(l.out, "holds what was erased") || !strings.Contains(l.out, "1 statistics  1 ") {
		t.Errorf("scrub: %d\n%s%s", l.code, l.out, l.err)
	}
	r := d.scrubs(t, operator, "--rewrite", "--window", "always")
	for _, want := range []string{
		"level 2",
		"GRANT pg_checkpoint TO operator",
		"GRANT pg_monitor TO operator",
		"GRANT EXECUTE ON FUNCTION pg_switch_wal() TO operator",
	} {
		if r.code != cli.ExitExceptions || !strings.Contains(r.out, want) {
			t.Fatalf("scrub --rewrite exits %d and does not say %q:\n%s%s", r.code, want, r.out, r.err)
		}
	}
	if job = until(t, c, job.ID, "a look", ended); job.Residue.Level != jobs.ResidueRewritten {
		t.Errorf("%+v", job.Residue)
	}
	if at := d.count(t, "2 rewritten"); at[inTables]+at[inTOAST]+at[inIndexes]+at[inStatistics]+at[elsewhere] > 0 || at[inWAL] == 0 {
		t.Errorf("level 2: %v", at)
	}

	// Level 3: what is rewritten already is not rewritten again.
	r = d.scrubs(t, server.URL("booking"), "--rewrite", "--window", "always")
	if r.code != cli.ExitDone || !strings.Contains(r.out, "1 erasure, 0 tables rewritten: level 3") {
		t.Fatalf("scrub --rewrite as a superuser exits %d:\n%s%s", r.code, r.out, r.err)
	}
	at = d.count(t, "3 wal")
	for kind, n := range at {
		if n > 0 {
			t.Errorf("level 3: %d in %s", n, kind)
		}
	}
	if job = until(t, c, job.ID, "a look", ended); job.Residue.Level != jobs.ResidueWAL || job.Residue.Name != "wal" {
		t.Errorf("%+v", job.Residue)
	}
	r = d.scrubs(t, server.URL("booking"), "--rewrite", "--window", "always")
	if r.code != cli.ExitDone || !strings.Contains(r.out, "Nothing to scrub") {
		t.Errorf("scrub --rewrite again exits %d:\n%s%s", r.code, r.out, r.err)
	}
	d.SameTotals(t)

	// The control: one marker on purpose.
	for m := range d.wanted {
		d.Exec(t, "UPDATE services SET title = $1 WHERE id = 1", m)
		break
	}
	if at := d.count(t, "one on purpose"); at[inTables] != 1 || at[inWAL] == 0 {
		t.Errorf("the search misses what was left on purpose: %v", at)
	}
	_ = d.table.Flush()
	t.Logf("markers of %d clients in the files:\n%s", len(d.wanted)/3, &d.text)
}

// checkHeldUp checks that no table is reported as rewritten while a session still
// sees old rows or locks the table, or outside of the time window.
func (d *disk) checkHeldUp(t *testing.T) {
	t.Helper()
	s, err := scrub.Open(t.Context(), d.server.URL("booking"), bookingdb.Map(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	always := func(time.Time) (time.Time, bool) { return time.Time{}, true }
	rewrite := func(window func(time.Time) (time.Time, bool)) scrub.Result {
		t.Helper()
		done, err := s.Rewrite(t.Context(), scrub.Options{Window: window, LockTimeout: 20 * time.Millisecond, Pause: time.Millisecond, Rounds: 2})
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	closed := rewrite(func(time.Time) (time.Time, bool) { return time.Time{}, false })
	if closed.Rewritten != 0 || len(closed.Obstacles) < 11 || closed.Obstacles[0].Why != "the time window is over" ||
		closed.Level != jobs.ResidueStatistics {
		t.Errorf("outside of the window: %+v", closed)
	}
	reader, err := d.Pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), "SELECT count(*) FROM clients"); err != nil {
		t.Fatal(err)
	}
	// A change that an earlier snapshot does not see.
	d.Exec(t, "UPDATE services SET minutes = minutes")
	seen := rewrite(always)
	if seen.Rewritten != 0 || len(seen.Obstacles) < 11 || !strings.HasPrefix(seen.Obstacles[0].Why, "a session can still see erased rows: ") {
		t.Errorf("beside an old snapshot: %+v", seen)
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	release := d.hold(t, d.Strings(t, "SELECT min(id)::text FROM clients")[0])
	locked := rewrite(always)
	if len(locked.Obstacles) == 0 || locked.Obstacles[0].What != "public.clients" ||
		locked.Obstacles[0].Why != "another session has locked it" || locked.Level != jobs.ResidueStatistics {
		t.Errorf("beside a lock: %+v", locked)
	}
	release()

	// After a stop, nothing of the command waits for a lock or has one.
	reader, err = d.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), "LOCK TABLE clients IN ACCESS SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() {
		_, err := s.Rewrite(ctx, scrub.Options{Window: always, LockTimeout: time.Minute})
		stopped <- err
	}()
	waiting := func() int {
		return d.Int(t, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'VACUUM (FULL)%'")
	}
	bookingdb.Wait(t, "a rewrite to wait for its lock", func() bool { return waiting() == 1 })
	cancel()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	bookingdb.Wait(t, "the rewrite to be gone from the server", func() bool { return waiting() == 0 })
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}
