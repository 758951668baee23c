package repository_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/internal/testdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

func TestSessionsThatWaitForAChunkAreCounted(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	keys := db.Clients(t, 1, 20)
	waited := make(chan error, 1)
	s := open(t, db, func(o *repository.Options) {
		o.Failpoint = func(at string) {
			if at != "chunk:erased" || len(waited) > 0 {
				return
			}
			go func() {
				_, err := db.Pool.Exec(t.Context(), "UPDATE clients SET notes = 'x' WHERE id = $1::text::bigint", keys[3])
				waited <- err
			}()
			bookingdb.Wait(t, "somebody to wait for the chunk", func() bool {
				return db.Int(t, `
					SELECT count(*) FROM pg_locks AS l
					JOIN pg_database AS d ON d.datname = current_database()
					JOIN pg_stat_activity AS a ON a.pid = l.pid AND a.datid = d.oid
					WHERE NOT granted AND locktype = 'transactionid'`) == 1
			})
		}
	})
	accept(t, s, "1", keys)
	c := claimFirst(t, s)
	if chunk := mustErase(t, s, c, 10); chunk.Waiting != 1 {
		t.Errorf("%d sessions waited for the first chunk, want 1: %+v", chunk.Waiting, chunk)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	waited <- nil
	if chunk := mustErase(t, s, c, 10); chunk.Waiting != 0 {
		t.Errorf("%d sessions waited for the second chunk, want none", chunk.Waiting)
	}
}

func TestABatchFindsOutOnceHowManyProfilesItNeeds(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 1000)
	erasable(t, db)
	decided := 0
	s := open(t, db, func(o *repository.Options) {
		o.Failpoint = func(at string) {
			if at == "chunk:decided" {
				decided++
			}
		}
	})
	accept(t, s, "1", db.Clients(t, 1, 100))
	c := claimFirst(t, s)
	for c.Left() > 0 {
		mustErase(t, s, c, 10)
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.anonymous_profiles"); n < 3 {
		t.Fatalf("only %d profiles: the test says nothing", n)
	}
	// Ten chunks, and the first began anew once.
	if decided != 11 {
		t.Errorf("%d transactions for 10 chunks, want 11", decided)
	}
}

func TestTheLoadCheckReportsABusyDatabase(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	limits := func(o *repository.Options) { o.URL, o.MaxActive = testdb.URL(t, db.Pool), 1 }
	s := open(t, db, limits)
	if reason, err := s.CheckLoad(t.Context()); reason != "" || err != nil {
		t.Errorf("an idle database: %q, %v", reason, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for range 2 {
		go func() { _, _ = db.Pool.Exec(ctx, "SELECT pg_sleep(60)") }()
	}
	bookingdb.Wait(t, "the database to be found busy", func() bool {
		reason, err := s.CheckLoad(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return reason == "2 sessions of others are at work, 1 are allowed"
	})
	if reason, err := open(t, db).CheckLoad(t.Context()); reason != "" || err != nil {
		t.Errorf("without limits: %q, %v", reason, err)
	}
}

func TestARoleThatSeesNoOtherSessionsCannotKeepALimit(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	_, err := repository.Open(t.Context(), repository.Options{URL: db.URL, Map: bookingdb.Map(t), MaxReplicaLag: 1 << 20})
	if jobs.KindOf(err) != jobs.Conflict || !strings.Contains(fmt.Sprint(err), "pg_read_all_stats") {
		t.Errorf("opened with: %v", err)
	}
}

func TestTheLoadCheckReportsAReplicaThatLags(t *testing.T) {
	t.Parallel()
	settings := map[string]string{"wal_level": "replica", "max_wal_senders": "2"}
	pg, err := local.StartPostgres(t.Context(), local.PostgresOptions{Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Close() })
	url := pg.URL("postgres")
	if _, _, err := repository.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s, err := repository.Open(t.Context(), repository.Options{URL: url, Map: bookingdb.Map(t), MaxReplicaLag: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	load := func() string {
		reason, err := s.CheckLoad(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return reason
	}
	if reason := load(); reason != "" {
		t.Errorf("without a replica: %q", reason)
	}
	r := newReplica(t, url)
	admin, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	position := func() (lsn uint64) {
		res := admin.Exec(t.Context(), "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
		all, err := res.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Sscan(string(all[0].Rows[0][0]), &lsn)
		return lsn
	}
	r.replayed(t, position()-3<<20)
	bookingdb.Wait(t, "the lag to be noticed", func() bool { return strings.HasPrefix(load(), "a replica is 3 MiB behind") })
	r.replayed(t, position())
	bookingdb.Wait(t, "the replica to have caught up", func() bool { return load() == "" })
}

// replica is a standby that says how far it is, and does nothing.
type replica struct{ conn *pgconn.PgConn }

func newReplica(t *testing.T, url string) *replica {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), url+"&replication=true")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	results, err := conn.Exec(t.Context(), "IDENTIFY_SYSTEM").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	conn.Frontend().SendQuery(&pgproto3.Query{String: "START_REPLICATION PHYSICAL " + string(results[0].Rows[0][2])})
	if err := conn.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := conn.ReceiveMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, begun := m.(*pgproto3.CopyBothResponse); begun {
			return &replica{conn}
		}
	}
}

// replayed reports a position, as the standby status update of PostgreSQL's
// streaming replication protocol has it.
func (r *replica) replayed(t *testing.T, lsn uint64) {
	t.Helper()
	m := make([]byte, 0, 34)
	m = append(m, 'r')
	for range 3 { // written, flushed, replayed
		m = binary.BigEndian.AppendUint64(m, lsn)
	}
	m = binary.BigEndian.AppendUint64(m, uint64(time.Now().UnixMicro()))
	m = append(m, 0)
	r.conn.Frontend().Send(&pgproto3.CopyData{Data: m})
	if err := r.conn.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
}
