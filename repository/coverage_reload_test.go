package repository_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// blocked is a job that waits since a table was added of which the map knows
// nothing, and the file in which it is fixed.
func blocked(t *testing.T) (s *shape, job jobs.Job, file *atomic.Pointer[string]) {
	t.Helper()
	const first = noTenant
	file = &atomic.Pointer[string]{}
	s = newShape(t, first, noTenantSQL, func(o *repository.Options) {
		o.LoadMap = func() (*erasuremap.Map, error) {
			return erasuremap.Parse("map.yaml", []byte("version: 1\n"+*file.Load()))
		}
	})
	write(file, first)
	job = accept(t, s.store, "", []string{"1", "2"})
	claim := mustClaim(t, s.store, dispatch(t, s.store)[0].TaskID)
	s.Exec(t, `
		CREATE TABLE points (id int PRIMARY KEY, holder bigint REFERENCES clients);
		INSERT INTO points VALUES (7, 1)`)
	_, err := s.store.EraseChunk(t.Context(), claim, 3)
	if err == nil || !strings.Contains(err.Error(), "public.points.holder") {
		t.Fatalf("%v", err)
	}
	if err := s.store.Block(t.Context(), job.ID, err.Error(), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.store.Release(t.Context(), claim, 0, false, ""); err != nil {
		t.Fatal(err)
	}
	return s, job, file
}

func write(file *atomic.Pointer[string], text string) { file.Store(&text) }

func TestABlockedJobContinuesWhenItsMapIsEdited(t *testing.T) {
	t.Parallel()
	s, j, file := blocked(t)
	for text, reason := range map[string]string{
		noTenant:                      "the map does not cover public.points.holder",
		noTenant + "tables: [{}]\n":   "the map does not cover public.points.holder; and its edited file cannot be read: map.yaml:3:10: ",
		noTenant + "ignore: [points]": "cannot be read: map.yaml:3:10: ",
	} {
		write(file, text)
		if n, err := s.store.Unblock(t.Context()); n != 0 || err != nil {
			t.Fatalf("%d jobs go on, %v", n, err)
		}
		now := job(t, s.store, j.ID)
		if now.State != jobs.Blocked || !strings.Contains(now.BlockedReason, reason) ||
			!strings.HasPrefix(now.BlockedReason, "the map does not cover public.points.holder") {
			t.Errorf("%s because %q, want %q", now.State, now.BlockedReason, reason)
		}
		if err := s.store.Covered(t.Context()); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("covered: %v", err)
		}
	}
	// Half of it: what is missing is no longer the same.
	write(file, noTenant+"tables: [{table: points, reference: holdr, erase: delete}]\n")
	if _, err := s.store.Unblock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := job(t, s.store, j.ID); !strings.Contains(now.BlockedReason, "public.points.holdr") {
		t.Errorf("blocked because %q", now.BlockedReason)
	}
	fixed := noTenant + "tables: [{table: points, reference: holder, erase: delete}]\n"
	m, err := erasuremap.Parse("map.yaml", []byte("version: 1\n"+fixed))
	if err != nil {
		t.Fatal(err)
	}
	bookingdb.Grant(t, s.Pool, m)
	write(file, fixed)
	if n, err := s.store.Unblock(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d jobs go on, %v", n, err)
	}
	work(t, s.store, 3)
	if now := job(t, s.store, j.ID); now.State != jobs.Completed || now.Counts.Erased != 2 || now.BlockedReason != "" {
		t.Errorf("%+v", now)
	}
	s.is(t, "SELECT count(*) FROM points", "0")
}

func TestAMapThatCoversTheSchemaIsNotReadAgain(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant, noTenantSQL, func(o *repository.Options) {
		o.LoadMap = func() (*erasuremap.Map, error) { t.Error("read"); return nil, errors.New("read") }
	})
	s.eraseAll(t, "", "1", "2", "3", "4")
	s.Exec(t, "ALTER TABLE clients ADD COLUMN instagram text")
	s.eraseAll(t, "", "5", "6")
}

func TestANewColumnBlocksTheJobOnlyIfItsRowsAreKept(t *testing.T) {
	t.Parallel()
	const sql = `CREATE TABLE visits (id int PRIMARY KEY, client_id bigint REFERENCES clients, at date);
		CREATE TABLE notes (id int PRIMARY KEY, client_id bigint REFERENCES clients)`
	const tables = `tables:
  - {table: visits, reference: client_id, erase: reassign}
  - {table: notes, reference: client_id, erase: delete}
`
	anonymize := strings.Replace(noTenant, "erase: delete", "erase: anonymize, columns: {name: {value: x}}", 1)
	for _, c := range []struct{ client, table, blocks string }{
		{noTenant, "clients", ""},
		{anonymize, "clients", "public.clients.instagram"},
		{noTenant, "visits", "public.visits.instagram"},
		{noTenant, "notes", ""},
	} {
		t.Run(c.table, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, c.client+tables, noTenantSQL+sql)
			accept(t, s.store, "", []string{"1", "2"})
			claim := mustClaim(t, s.store, dispatch(t, s.store)[0].TaskID)
			mustErase(t, s.store, claim, 1)
			s.Exec(t, "ALTER TABLE "+c.table+" ADD COLUMN instagram text")
			_, err := s.store.EraseChunk(t.Context(), claim, 1)
			if blocks := err != nil; blocks != (c.blocks != "") || blocks && !strings.Contains(err.Error(), c.blocks) {
				t.Errorf("%v, want one about %q", err, c.blocks)
			}
		})
	}
}

func TestADroppedFunctionBlocksTheJobAndFailsNoClient(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`guards: {odd: {where: "is_odd(id)"}}`, noTenantSQL+`
		CREATE FUNCTION is_odd(bigint) RETURNS boolean LANGUAGE sql RETURN $1 % 2 = 1;`)
	j := accept(t, s.store, "", []string{"1", "2"})
	claim := mustClaim(t, s.store, dispatch(t, s.store)[0].TaskID)
	s.Exec(t, "DROP FUNCTION is_odd")
	_, err := s.store.EraseChunk(t.Context(), claim, 3)
	e, ok := errors.AsType[*jobs.Error](err)
	if !ok || e.Code != jobs.CodeSchema || !strings.Contains(e.Msg, "public.clients") {
		t.Fatalf("%v", err)
	}
	if err := s.store.Block(t.Context(), j.ID, e.Msg, 0); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, "CREATE FUNCTION is_odd(bigint) RETURNS boolean LANGUAGE sql RETURN $1 % 2 = 1")
	if n, err := s.store.Unblock(t.Context()); n != 1 || err != nil {
		t.Errorf("%d jobs go on, %v", n, err)
	}
}
