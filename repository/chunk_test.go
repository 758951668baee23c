package repository_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// hold locks clients in another transaction and returns the function that ends it.
func hold(t *testing.T, db *bookingdb.DB, sql string, args ...any) (let func()) {
	t.Helper()
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
	let = func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }
	t.Cleanup(let)
	return let
}

const holdClients = "SELECT FROM clients WHERE id = ANY($1::text[]::bigint[]) FOR UPDATE"

func sameKeys(t *testing.T, db *bookingdb.DB, want []string) {
	t.Helper()
	got := db.Strings(t, "SELECT unnest(keys) FROM oubli.tasks WHERE kind = 'batch'")
	want = slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the task's keys are %v, want %v in any order", got, want)
	}
}

func TestClientsLockedByOtherSessionsAreErasedByALaterChunk(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db)
	keys := db.Clients(t, 1, 20)
	j := accept(t, s, "1", keys)
	c := claimFirst(t, s)
	let := hold(t, db, holdClients, []string{keys[1], keys[3], keys[19]})

	chunk := mustErase(t, s, c, 10)
	if chunk.Clients != 8 || chunk.Deferred != 2 || c.Position != 8 || chunk.Counts.Done() != 8 {
		t.Errorf("first chunk: %+v at %d", chunk, c.Position)
	}
	sameKeys(t, db, keys)
	chunk = mustErase(t, s, c, 12)
	if chunk.Clients != 9 || chunk.Deferred != 3 {
		t.Errorf("second chunk: %+v", chunk)
	}
	// Nobody else is left, so nothing moves; and no crash is forgotten.
	db.Exec(t, "UPDATE oubli.tasks SET crashes = 2")
	c.Crashes = 2
	if chunk = mustErase(t, s, c, 12); chunk.Clients != 0 || chunk.Deferred != 3 || c.Position != 17 || c.Crashes != 2 {
		t.Errorf("third chunk: %+v at %d after %d crashes", chunk, c.Position, c.Crashes)
	}
	sameKeys(t, db, keys)
	let()
	if chunk = mustErase(t, s, c, 12); chunk.Clients != 3 || c.Crashes != 0 {
		t.Errorf("last chunk: %+v after %d crashes", chunk, c.Crashes)
	}
	if n := db.Int(t, "SELECT crashes FROM oubli.tasks"); n != 0 {
		t.Errorf("%d crashes are remembered after progress", n)
	}
	if err := s.Finish(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := job(t, s, j.ID); got.State != jobs.Completed || len(db.Existing(t, keys)) != 0 {
		t.Errorf("job %+v, left %v", got, db.Existing(t, keys))
	}
}

func TestADeferredClientGoesToTheEndOfTheBatch(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	s := open(t, db)
	keys := db.Clients(t, 1, 4)
	accept(t, s, "1", keys)
	c := claimFirst(t, s)
	if err := s.DeferClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	want := []string{keys[1], keys[2], keys[3], keys[0]}
	if stored := db.Strings(t, "SELECT unnest(keys) FROM oubli.tasks"); !slices.Equal(c.Keys, want) || !slices.Equal(stored, want) {
		t.Errorf("keys %v, stored %v, want %v", c.Keys, stored, want)
	}
	if c.Position != 0 || len(db.Existing(t, keys)) != 4 {
		t.Errorf("position %d, clients %v", c.Position, db.Existing(t, keys))
	}
	idle(t, db)
}

// Profiles are made on a connection of their own: a chunk that kept its
// connection meanwhile would wait for ever when the pool has no other.
func TestOneConnectionIsEnough(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 1000)
	s := open(t, db, func(o *repository.Options) { o.MaxConns = 1 })
	accept(t, s, "1", db.Clients(t, 1, 150))
	work(t, s, 50)
	if n := db.Int(t, "SELECT count(*) FROM oubli.anonymous_profiles"); n < 2 {
		t.Errorf("only %d profiles: the test says nothing", n)
	}
	idle(t, db)
}

// A connection that breaks at COMMIT leaves open whether the chunk happened.
func TestACommitWhoseAnswerIsLostIsFoundByTheNextClaim(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	tap := newTap(t, db.URL)
	armed := false
	s := open(t, db, func(o *repository.Options) {
		o.URL, o.MaxConns = tap.url, 1
		o.Failpoint = func(name string) {
			if name == "chunk:erased" && armed {
				tap.cut.Store(true) // what is recorded and committed next is not answered
			}
		}
	})
	steady := open(t, db)
	keys := db.Clients(t, 1, 20)
	j := accept(t, s, "1", keys)
	c := claimFirst(t, s)
	mustErase(t, s, c, 7) // which prepares the statements, so that next time they come in one packet
	armed = true
	if _, err := s.EraseChunk(t.Context(), c, 5); jobs.KindOf(err) != jobs.Unavailable {
		t.Fatalf("the chunk: %v, want the connection's trouble", err)
	}
	if c.Position != 7 {
		t.Errorf("the claim moved to %d", c.Position)
	}
	bookingdb.Wait(t, "the commit", func() bool { return len(db.Existing(t, keys)) == 8 })

	// The same claim, tried once more, would erase these five again.
	_, err := steady.EraseChunk(t.Context(), c, 5)
	fenced(t, "the same chunk again", err)
	if err := steady.Release(t.Context(), c, 0, false, "x"); err != nil {
		t.Fatal(err)
	}
	work(t, steady, 7)
	if got := job(t, steady, j.ID); got.State != jobs.Completed || got.Counts.Done() != 20 {
		t.Errorf("job: %+v", got)
	}
}

// tap is the way to PostgreSQL, which can swallow answers.
type tap struct {
	url string
	cut atomic.Bool
}

func newTap(t *testing.T, database string) *tap {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	server := u.Host
	u.Host = l.Addr().String()
	p := &tap{url: u.String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client, server)
		}
	}()
	return p
}

func (p *tap) serve(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(server, client) }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil || p.cut.Load() {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}
