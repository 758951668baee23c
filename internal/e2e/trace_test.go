package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

// traced is how many clients the markers are planted in.
const traced = 10_000

// TestNoTraceOfTheErasedIsLeftAnywhere plants a marker of its own in every
// text, document, array, date and number of ten thousand clients, erases
// them with trouble along the way, and searches everything that anybody could
// read (invariant I4). In the end it leaves one marker on purpose in each place,
// which the search must find.
func TestNoTraceOfTheErasedIsLeftAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("ten thousand clients are too many for the race detector; the other tests race")
	}
	t.Parallel()
	began := time.Now()
	h := newLeakSearch(t)
	everybody := h.plant(t)
	planted := h.dump(t, "", everybody, everybody)
	if len(planted) == 0 || planted[0].found < 10*traced {
		t.Fatalf("planted only %v", planted)
	}
	setUp := time.Since(began)

	gone := h.eraseWithTrouble(t)
	if len(gone) < traced/2 {
		t.Fatalf("only %d clients were erased", len(gone))
	}
	h.visitPages(t)
	h.previews(t)
	wanted := markersOf(t, gone)
	erased := time.Since(began) - setUp

	found := h.search(t, wanted, markersOf(t, append(h.moved, gone...)))
	for _, f := range found {
		for _, example := range f.examples {
			t.Errorf("%s holds %q of a client that was erased", f.place, example)
		}
	}

	// The control: one of the erased, in each place.
	leaked := gone[len(gone)/2]
	h.leave(t, leaked)
	one := markersOf(t, []string{leaked})
	control := h.search(t, one, one)
	for _, c := range control {
		if c.found == 0 {
			t.Errorf("the search misses a marker that was left on purpose in %s", c.place)
		}
	}

	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PLACE\tSEARCHED\tFOUND\tOF ONE LEFT ON PURPOSE")
	for i, f := range found {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\n", f.place, terminal.Bytes(int64(f.bytes)), f.found, control[i].found)
	}
	_ = table.Flush()
	t.Logf("%s clients, %s markers planted %s times in %s of rows; %s erased, %s markers looked for;\n"+
		"retained invoice columns, which may: %s\nset up in %s, erased in %s, searched in %s\n%s",
		terminal.Thousands(traced), terminal.Thousands(int64(len(everybody))),
		terminal.Thousands(int64(planted[0].found)), terminal.Bytes(int64(planted[0].bytes)),
		terminal.Thousands(int64(len(gone))), terminal.Thousands(int64(len(wanted))), terminal.Thousands(int64(h.retained(t, wanted))),
		terminal.Span(setUp), terminal.Span(erased), terminal.Span(time.Since(began)-setUp-erased), &text)
}

// plantSQL adds column types that the demo's schema does not have, with markers:
// see markersOf. One appointment of each client, which is kept, has all of them.
const plantSQL = `
	ALTER TABLE clients ADD tags text[], ADD preferences jsonb, ADD tax_number bigint, ADD portrait bytea, ADD visited date[];
	UPDATE clients SET birth_date = '4000-01-01'::date + id::int, tax_number = %[2]d + id,
  tags = ARRAY['regular', last_name],
  preferences = jsonb_build_object(
    'contact', jsonb_build_object('name', last_name, 'born', '4000-01-01'::date + id::int)),
	  portrait = convert_to(last_name, 'UTF8'), visited = ARRAY['4000-01-01'::date + id::int];
	ALTER TABLE appointments ADD reminder_on date, ADD details jsonb, ADD guests text[], ADD policy numeric, ADD remind_at timestamptz;
	UPDATE appointments a SET reminder_on = '4000-01-01'::date + c.id::int, remind_at = '4000-01-01'::date + c.id::int, policy = %[2]d + c.id,
  guests = ARRAY[c.last_name],
  details = jsonb_build_object('room', 3, 'person', jsonb_build_object('name', c.last_name, 'tax', %[2]d + c.id))
	FROM clients c WHERE a.id IN (SELECT min(id) FROM appointments GROUP BY client_id) AND c.id = a.client_id;
	CREATE MATERIALIZED VIEW calendar AS SELECT id, client_name, guests, reminder_on FROM appointments;
	CREATE UNIQUE INDEX ON calendar (id);
	ALTER MATERIALIZED VIEW calendar OWNER TO %[1]s;
	CREATE STATISTICS people (mcv) ON last_name, tax_number FROM clients;
	ANALYZE;`

// troubleSQL makes the erasure of some clients fail with errors that quote them: a
// trigger, a constraint whose failing row PostgreSQL quotes, and a guard whose cast
// fails on their notes.
const troubleSQL = `
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF OLD.notes LIKE 'refused%' THEN
			RAISE EXCEPTION 'client % <%> stays', OLD.last_name, OLD.email USING ERRCODE = '23503', DETAIL = OLD::text, HINT = OLD.last_name;
		END IF;
		RETURN OLD;
	END $$;
	CREATE TRIGGER refuse BEFORE DELETE ON clients FOR EACH ROW EXECUTE FUNCTION refuse();
	ALTER TABLE invoices ADD CONSTRAINT invoices_vip CHECK (total_cents <> 424242 OR client_id < 0) NOT VALID;
	UPDATE clients SET notes = 'refused ' || last_name WHERE id % 997 = 5;
	UPDATE clients SET notes = 'cast:' || last_name WHERE id % 997 = 6 AND studio_id = 1;
	ALTER TABLE invoices DISABLE TRIGGER ALL;
	ALTER TABLE invoices DROP CONSTRAINT invoices_vip;
	UPDATE invoices SET total_cents = 424242, billing_name = billing_name || ' VIP' WHERE client_id % 997 = 7;
	ALTER TABLE invoices ENABLE TRIGGER ALL;
	ALTER TABLE invoices ADD CONSTRAINT invoices_vip CHECK (total_cents <> 424242 OR client_id % 997 = 7) NOT VALID;`

// plant fills the schema, writes the map for it, and gives the markers of all.
func (h *leakSearch) plant(t *testing.T) map[string]bool {
	t.Helper()
	h.Exec(t, fmt.Sprintf(plantSQL, h.WorkerRole, taxNumbers))
	h.Exec(t, troubleSQL)
	h.extendMap(t, "triggers", `  - {name: refuse, table: clients, because: "a test"}`)
	content := string(mustRead(t, h.mapFile))
	for _, edit := range [][2]string{
		{"      note: null\n", `      note: null
      reminder_on: null
      remind_at: null
      policy: null
      guests: null
      details: {json_remove: [person]}
`},
		{"\nguards:\n", `
refresh: [calendar]

guards:
  vip: {where: "CASE WHEN notes LIKE 'cast:%' THEN substr(notes, 6)::int > 0 ELSE false END"}
`},
	} {
		if !strings.Contains(content, edit[0]) {
			t.Fatalf("the map has no %q", edit[0])
		}
		content = strings.Replace(content, edit[0], edit[1], 1)
	}
	h.writeMap(t, content)
	h.grant(t)
	h.countAgain(t)
	return markersOf(t, h.Strings(t, "SELECT id::text FROM clients"))
}

// eraseWithTrouble erases nearly all clients while every kind of fault happens, and
// returns the erased ones.
func (h *leakSearch) eraseWithTrouble(t *testing.T) []string {
	t.Helper()
	deadlock := newGate(t, "chunk:decided")
	var hold atomic.Bool
	var chunks atomic.Int64
	h.service = h.start(t, both, app.Tuning{
		Lease: 10 * time.Second, MailRetry: 20 * time.Millisecond, Pause: 50 * time.Millisecond,
		Failpoint: func(name string) {
			if hold.Load() {
				deadlock.pass(name)
			}
			if name == "chunk:erased" {
				switch chunks.Add(1) {
				case 4:
					panic("vez: a panic's text must not be kept either")
				case 8, 16:
					h.cutConnections(t.Context())
				}
			}
		},
	})
	h.record(t)
	toMerge := h.plain(t, 3, 36)
	everybody := h.Strings(t, "SELECT id::text FROM clients WHERE NOT is_anonymous")

	// Studio 1: its first chunk deadlocks with a booking.
	one := admin(t, h.service, "1")
	hold.Store(true)
	first := mustErase(t, one, apiclient.Erasure{
		ClientIDs: h.studio(t, 1),
		Notify:    []string{"a+451x1@studio.example", "b+550@studio.example", "c+data554@studio.example"},
	})
	for range 2 { // lanes; before that, one could still let go of what it is seen to hold
		deadlock.await(t)
	}
	h.deadlock(t, deadlock, &hold)
	h.sendRefused(t)

	// Studio 2: a column that the map does not know appears and goes.
	two := admin(t, h.service, "2")
	second := mustErase(t, two, apiclient.Erasure{ClientIDs: h.studio(t, 2), DryRun: false})
	until(t, two, second.ID, "some to be erased", func(j jobs.Job) bool { return j.Counts.Erased > 0 })
	h.migrate(t, "ALTER TABLE participations ADD remark text")
	h.migrate(t, "UPDATE participations SET remark = (SELECT last_name FROM clients c WHERE c.id = client_id) WHERE id % 50 = 0")
	until(t, two, second.ID, "the job to be blocked, or too late", func(j jobs.Job) bool { return j.State == jobs.Blocked || ended(j) })
	h.visitPages(t)
	h.migrate(t, "ALTER TABLE participations DROP remark")

	// Studio 3: cancelled in the middle. Studio 4: by selection, rehearsed first.
	three := admin(t, h.service, "3")
	third := mustErase(t, three, apiclient.Erasure{ClientIDs: without(h.studio(t, 3), toMerge)})
	until(t, three, third.ID, "some to be erased", func(j jobs.Job) bool { return j.Counts.Erased > 0 })
	bookingdb.Wait(t, "the cancel to find its way beside cut connections", func() bool {
		status, _ := ask(t, h.service, http.MethodPost, "/v1/erasures/"+third.ID+"/cancel", mustMint(t, "3", jobs.Admin), "", nil)
		return status == http.StatusOK || status == http.StatusConflict
	})
	four := admin(t, h.service, "4")
	until(t, four, mustErase(t, four, apiclient.Erasure{ClientIDs: h.plain(t, 4, 100), DryRun: true}).ID, "the rehearsal", ended)
	sel := selects(t, h.service, "4", `{"period": "P1Y"}`)
	h.selection = sel.ID
	var fourth jobs.Job
	body := fmt.Sprintf(`{"selection_id": %q, "expected_count": %d, "reason": "inactivity"}`, sel.ID, sel.Total)
	status, code := ask(t, h.service, http.MethodPost, "/v1/erasures", mustMint(t, "4", jobs.Admin), body, &fourth)
	if status != http.StatusAccepted {
		t.Fatalf("the selection is answered %d %s", status, code)
	}
	for _, job := range []struct {
		c  *apiclient.Client
		id string
	}{{one, first.ID}, {two, second.ID}, {three, third.ID}, {four, fourth.ID}} {
		j := until(t, job.c, job.id, "the end and the mails", mailed)
		h.refreshed(t, job.id)
		h.ids = append(h.ids, job.id)
		t.Logf("studio %s: %s, %+v, %v", j.TenantID, j.State, j.Counts, j.Exceptions)
		if job.id == first.ID {
			for _, code := range []string{"23503", "22P02", "23514:invoices_vip"} {
				if j.Exceptions[code] == 0 {
					t.Errorf("nobody failed with %s: %v", code, j.Exceptions)
				}
			}
		}
	}
	// Erase the clients that made trouble too, so that the search also covers
	// their values, which error messages quoted.
	h.Exec(t, "ALTER TABLE invoices DROP CONSTRAINT invoices_vip")
	h.Exec(t, "UPDATE clients SET notes = NULL WHERE notes ~ '^(refused|cast:)'")
	for _, job := range []struct{ studio, id string }{{"1", first.ID}, {"2", second.ID}} {
		var again jobs.Job
		token := mustMint(t, job.studio, jobs.Admin)
		status, code := ask(t, h.service, http.MethodPost, "/v1/erasures/"+job.id+"/retry", token, "", &again)
		if status != http.StatusAccepted {
			t.Errorf("the retry is answered %d %s", status, code)
		}
		again = until(t, admin(t, h.service, job.studio), again.ID, "the end of the retry", mailed)
		if again.Counts.Erased+again.Counts.ErasedRetained == 0 || again.Counts.Failed > 0 {
			t.Errorf("the retry: %+v", again)
		}
	}
	h.merge(t, toMerge)
	bookingdb.Wait(t, "the views and statistics", func() bool {
		return h.Int(t, "SELECT (SELECT count(*) FROM oubli.stale_views) + (SELECT count(*) FROM oubli.residues WHERE level = 0)") == 0
	})
	if chunks.Load() < 16 || !strings.Contains(h.log.String(), "handler panicked") {
		t.Errorf("after %d chunks not all of the trouble has happened", chunks.Load())
	}
	h.SameTotals(t)
	return without(without(everybody, h.Existing(t, everybody)), h.moved)
}

// refreshed waits until the statistics are those of what the job has left, whether
// or not its rows are mixed yet.
func (h *leakSearch) refreshed(t *testing.T, job string) {
	t.Helper()
	bookingdb.Wait(t, "the statistics", func() bool {
		return h.Int(t, "SELECT count(*) FROM oubli.residues WHERE job_id = $1 AND level > 0", job) == 1
	})
}

// merge merges all but six of the clients into the anonymous profile, and five of
// these six into the sixth. In tables their values then belong to the sixth; no
// other place may contain them.
func (h *leakSearch) merge(t *testing.T, clients []string) {
	t.Helper()
	c := admin(t, h.service, "3")
	n := len(clients) - 6
	h.moved = clients[n+1:]
	for _, m := range []apiclient.Merge{
		{SourceIDs: clients[:n], Target: apiclient.MergeTarget{Anonymous: true}},
		{SourceIDs: h.moved, Target: apiclient.MergeTarget{ClientID: clients[n]}, FillBlanks: true},
	} {
		m.DeleteSource, m.Conflicts = true, jobs.KeepTarget
		job, err := c.CreateMerge(t.Context(), m, "")
		if err != nil {
			t.Fatal(err)
		}
		bookingdb.Wait(t, "the merge", func() bool {
			job, err = c.GetMerge(t.Context(), job.ID)
			return err == nil && mailed(job)
		})
		h.refreshed(t, job.ID)
		t.Logf("merge: %s, %+v, %v", job.State, job.AsMerge().Counts, job.Exceptions)
		if job.Counts.Erased+job.Counts.ErasedRetained == 0 {
			t.Errorf("nobody was merged: %+v", job)
		}
		h.merges = append(h.merges, job.ID)
	}
	h.moved = without(h.moved, h.Existing(t, h.moved))
}

// without returns the list without the items of another.
func without(all, some []string) []string {
	out := map[string]bool{}
	for _, id := range some {
		out[id] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(id string) bool { return out[id] })
}

// deadlock makes a booking and the worker wait for each other: the worker has
// locked the clients of its chunk and locks their appointments next.
func (h *leakSearch) deadlock(t *testing.T, g *gate, hold *atomic.Bool) {
	t.Helper()
	look, err := h.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := look.Query(t.Context(), "SELECT id FROM clients WHERE studio_id = 1 FOR UPDATE SKIP LOCKED")
	if err != nil {
		t.Fatal(err)
	}
	free, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err := errors.Join(err, look.Rollback(t.Context())); err != nil {
		t.Fatal(err)
	}
	held := h.Strings(t, `SELECT client_id::text FROM appointments JOIN clients c ON c.id = client_id
		WHERE c.studio_id = 1 AND client_id <> ALL($1) LIMIT 1`, free)
	if len(held) == 0 {
		t.Fatal("the worker holds no client")
	}
	booking, err := h.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const touch = "UPDATE appointments SET price_cents = price_cents WHERE client_id = $1::text::bigint"
	if _, err := booking.Exec(t.Context(), touch, held[0]); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = booking.Exec(t.Context(), "SELECT FROM clients WHERE id = $1::text::bigint FOR KEY SHARE", held[0])
		_ = booking.Rollback(t.Context())
	}()
	bookingdb.Wait(t, "the booking to wait for the worker", func() bool {
		return h.Int(t, `SELECT count(*) FROM pg_stat_activity
			WHERE wait_event_type = 'Lock' AND query LIKE 'SELECT FROM clients WHERE id = $1%'`) > 0
	})
	hold.Store(false)
	g.open()
	<-done
}

// migrate changes the schema while the workers run, and tries again after a
// deadlock with them.
func (h *leakSearch) migrate(t *testing.T, sql string) {
	t.Helper()
	bookingdb.Wait(t, "the migration", func() bool {
		_, err := h.Pool.Exec(t.Context(), sql)
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "40P01" {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		return true
	})
}

// cutConnections ends all connections of the workers' role.
func (h *leakSearch) cutConnections(ctx context.Context) {
	_, _ = h.Pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE usename = $1 AND datname = current_database()`, h.WorkerRole)
}

// sendRefused sends requests that quote a client and must be refused.
func (h *leakSearch) sendRefused(t *testing.T) {
	t.Helper()
	name := h.Strings(t, `SELECT last_name FROM clients
		WHERE studio_id = 1 AND NOT is_anonymous AND NOT legal_hold AND balance_cents = 0 ORDER BY id DESC LIMIT 1`)[0]
	email := strings.ToLower(name) + "@example.org"
	for _, bad := range []string{
		`{"client_ids": ["` + email + `"], "reason": "subject_request"}`,
		`{"client_ids": [1], "reason": "` + name + `"}`,
		`{"client_ids": [1], "reason": "subject_request", "` + name + `": 1}`,
		`{"client_ids": [1], "reason": "subject_request", "notify": ["` + name + `"]}`,
		`{"client_ids": [1], "reason": "subject_request", "override": ["` + name + `"]}`,
		`{"client_ids": [1], "reason": "subject_request", "not_before": "` + name + `"}`,
		`{"client_ids": [1], "reason": "subject_request", "locale": "` + name + `"}`,
		`{"client_ids": [1], "client_ids": ["` + name,
	} {
		if status, _ := ask(t, h.service, http.MethodPost, "/v1/erasures", mustMint(t, "1", jobs.Admin), bad, nil); status < 400 {
			t.Errorf("%s is answered %d", bad, status)
		}
	}
	for _, path := range []string{
		"/v1/erasures/" + email,
		"/v1/erasures?cursor=" + email,
		"/v1/erasures?state=" + name,
		"/v1/" + email,
		"/v1/selections/" + name + "/clients",
	} {
		if status, _ := ask(t, h.service, http.MethodGet, path, mustMint(t, "1", jobs.Admin), "", nil); status < 400 {
			t.Errorf("%s is answered %d", path, status)
		}
	}
}

// studio lists all clients of a studio.
func (h *leakSearch) studio(t *testing.T, studio int) []string {
	t.Helper()
	return h.Strings(t, "SELECT id::text FROM clients WHERE studio_id = $1 AND NOT is_anonymous ORDER BY id", studio)
}
