package repository_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// A migration that adds a column and fills it is one transaction: seen by a
// chunk in between, it would leave what it has filled in.
func TestASchemaThatChangesWhileAChunkWaitsForItsLocksIsSeen(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db, func(o *repository.Options) { o.LockTimeout = time.Minute })
	keys := db.Clients(t, 1, 3)
	accept(t, s, "1", keys)
	c := claimFirst(t, s)
	let := hold(t, db, "SELECT pg_advisory_xact_lock(hashtextextended('oubli:tenant:1', 0))") // as a merge does

	refused := make(chan error)
	go func() {
		_, err := s.EraseChunk(t.Context(), c, 3)
		refused <- err
	}()
	bookingdb.Wait(t, "the chunk to wait", func() bool {
		return db.Int(t, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'") == 1
	})
	db.Exec(t, `ALTER TABLE participations ADD nickname text;
		UPDATE participations SET nickname = 'Lulu'`)
	let()
	err := <-refused
	if e, ok := err.(*jobs.Error); !ok || e.Code != jobs.CodeSchema || !strings.Contains(e.Msg, "public.participations.nickname") {
		t.Errorf("the chunk ends with %v", err)
	}
	if left := db.Existing(t, keys); len(left) != 3 {
		t.Errorf("only %v are there", left)
	}
}

func TestNoTableChangesItsColumnsUnderAChunk(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	var refused, changed []string
	s := open(t, db, func(o *repository.Options) {
		o.Failpoint = func(at string) {
			if at != "chunk:decided" {
				return
			}
			for _, table := range bookingdb.Map(t).Tables {
				_, err := db.Pool.Exec(t.Context(), "SET lock_timeout = '20ms'; ALTER TABLE "+table.Table.String()+" ADD nickname text; RESET lock_timeout")
				if err != nil && strings.Contains(err.Error(), "55P03") {
					refused = append(refused, table.Table.String())
				} else {
					changed = append(changed, table.Table.String())
				}
			}
		}
	})
	keys := db.Clients(t, 1, 3)
	accept(t, s, "1", keys)
	if chunk := mustErase(t, s, claimFirst(t, s), 3); chunk.Clients != 3 {
		t.Errorf("chunk: %+v", chunk)
	}
	if len(changed) > 0 || !slices.Contains(refused, "messages") || len(db.Existing(t, keys)) > 0 {
		t.Errorf("changed in mid-chunk: %v; not: %v", changed, refused)
	}
}
