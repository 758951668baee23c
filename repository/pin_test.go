package repository_test

import (
	"errors"
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
	e, ok := errors.AsType[*jobs.Error](err)
	if !ok || e.Code != jobs.CodeSchema || !strings.Contains(e.Msg, "public.participations.nickname") {
		t.Errorf("the chunk ends with %v", err)
	}
	if left := db.Existing(t, keys); len(left) != 3 {
		t.Errorf("only %v are there", left)
	}
}

func TestNoTableChangesItsColumnsBeforeTheCommit(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	var refused, changed []string
	s := open(t, db, func(o *repository.Options) {
		o.Failpoint = func(at string) {
			if at != "chunk:erased" {
				return
			}
			for _, table := range bookingdb.Map(t).Tables {
				_, err := db.Pool.Exec(t.Context(), `
					SET lock_timeout = '20ms';
					ALTER TABLE `+table.Table.String()+` ADD nickname text;
					RESET lock_timeout`)
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
		t.Errorf("changed before the commit: %v; not: %v", changed, refused)
	}
}

// midChunk runs a migration once a chunk has decided whom to erase, and gives
// the chunk's error.
func midChunk(t *testing.T, db *bookingdb.DB, keys []string, migration string) error {
	t.Helper()
	migrated := false
	s := open(t, db, func(o *repository.Options) {
		o.Failpoint = func(at string) {
			if at == "chunk:decided" && !migrated {
				migrated = true
				db.Exec(t, migration)
			}
		}
	})
	accept(t, s, "1", keys)
	_, err := s.EraseChunk(t.Context(), claimFirst(t, s), len(keys))
	if !migrated {
		t.Fatal("the chunk decided nothing")
	}
	return err
}

func TestAMigrationInMidChunkUndoesTheChunk(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ migration, gap string }{
		"a trigger that keeps copies": {`
			CREATE TABLE history (id bigint GENERATED ALWAYS AS IDENTITY, old text);
			CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
			BEGIN
			  INSERT INTO history (old) VALUES (OLD::text);
			  RETURN OLD;
			END $$;
			CREATE TRIGGER keep BEFORE DELETE ON client_notes FOR EACH ROW EXECUTE FUNCTION keep();
			CREATE TRIGGER keep BEFORE UPDATE ON appointments FOR EACH ROW EXECUTE FUNCTION keep()`, "public.client_notes"},
		"a foreign key that deletes more": {`
			CREATE TABLE reminders (id bigint PRIMARY KEY, note bigint REFERENCES client_notes ON DELETE CASCADE);
			INSERT INTO reminders SELECT id, id FROM client_notes`, "public.reminders"},
		"a column": {`
			ALTER TABLE participations ADD nickname text;
			UPDATE participations SET nickname = 'Lulu' WHERE false`, "public.participations.nickname"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := bookingdb.New(t, 300)
			erasable(t, db)
			keys := db.Clients(t, 1, 20)
			err := midChunk(t, db, keys, c.migration)
			if e, ok := errors.AsType[*jobs.Error](err); !ok || e.Code != jobs.CodeSchema || !strings.Contains(e.Msg, c.gap) {
				t.Errorf("the chunk ends with %v", err)
			}
			if left := db.Existing(t, keys); len(left) != len(keys) {
				t.Errorf("only %d of %d are there", len(left), len(keys))
			}
			if strings.Contains(c.migration, "history") && db.Int(t, "SELECT count(*) FROM history") > 0 {
				t.Error("copies are left")
			}
		})
	}
}

func TestNoClientIsSkippedWhileTheMapDoesNotCoverTheSchema(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		clients   []string
		migration string
	}{
		"for not being there": {[]string{"98", "99"}, "CREATE TABLE points (id int PRIMARY KEY, holder bigint REFERENCES clients)"},
		"for being in a view": {[]string{"1", "2"}, `
			ALTER TABLE clients RENAME TO people;
			CREATE VIEW clients AS SELECT p.id, p.name FROM people AS p CROSS JOIN (SELECT 1) AS one; -- whose rows cannot be locked
			GRANT ALL ON clients TO PUBLIC`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, noTenant, noTenantSQL)
			accept(t, s.store, "1", c.clients)
			claim := claimFirst(t, s.store)
			s.Exec(t, c.migration)
			_, err := s.store.EraseChunk(t.Context(), claim, 2)
			if e, ok := errors.AsType[*jobs.Error](err); !ok || e.Code != jobs.CodeSchema {
				t.Errorf("the chunk ends with %v", err)
			}
			if n := s.Int(t, "SELECT count(*) FROM oubli.exceptions"); n != 0 {
				t.Errorf("%d exceptions are recorded", n)
			}
		})
	}
}

// A migration that the map already knows costs a chunk, and blocks nothing.
func TestAChunkThatMeetsANewIndexIsDoneAgain(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	keys := db.Clients(t, 1, 5)
	if err := midChunk(t, db, keys, "CREATE INDEX ON client_notes (created_at)"); err != nil {
		t.Error(err)
	}
	if left := db.Existing(t, keys); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// Rows of a partition that is on its way out are passed by, in silence.
func TestAPartitionThatIsBeingDetachedBlocks(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	db.Exec(t, "DROP TABLE messages_default") // beside which PostgreSQL detaches none concurrently
	partition := db.Strings(t, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'messages'::regclass ORDER BY 1 LIMIT 1")[0]
	reader := hold(t, db, "SELECT FROM messages") // for which the detaching waits
	detached := make(chan error, 1)
	go func() {
		_, err := db.Pool.Exec(t.Context(), "ALTER TABLE messages DETACH PARTITION "+partition+" CONCURRENTLY")
		detached <- err
	}()
	bookingdb.Wait(t, "the partition to be on its way out", func() bool {
		return db.Int(t, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == 1
	})
	s := open(t, db)
	if err := s.Cover(t.Context()); err == nil || !strings.Contains(err.Error(), "is being detached") {
		t.Errorf("with a partition on its way out: %v", err)
	}
	reader()
	if err := <-detached; err != nil {
		t.Fatal(err)
	}
}
