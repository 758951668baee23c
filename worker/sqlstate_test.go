package worker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// statesOfAnyClass are SQLSTATEs of each class that usually means the
// infrastructure, locks, rights or data.
var statesOfAnyClass = []string{
	"P0001", "23514", "42501", "42P01", "26000", "53200", "53100", "58P01",
	"40001", "40P01", "57014", "57P01", "55P03", "25006", "08000", "XX000",
}

// raise makes PostgreSQL refuse every change of these clients' appointments with
// this SQLSTATE.
func (r *rig) raise(t *testing.T, state string, keys []string) {
	t.Helper()
	r.db.Exec(t, `
		INSERT INTO appointments (studio_id, client_id, starts_at, status, service, client_name, price_cents)
		SELECT studio_id, id, now() - interval '1 year', 'completed', 's', 'x', 1
		FROM clients WHERE id = ANY($1::text[]::bigint[])`, keys)
	r.db.Exec(t, fmt.Sprintf(`
		CREATE FUNCTION provoke() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
		  IF OLD.client_id = ANY(ARRAY[%s]) THEN
		    RAISE EXCEPTION 'vezno' USING ERRCODE = '%s';
		  END IF;
		  RETURN NEW;
		END $$`, strings.Join(keys, ", "), state))
	r.db.Exec(t, "CREATE TRIGGER provoked BEFORE UPDATE ON appointments FOR EACH ROW EXECUTE FUNCTION provoke()")
}

// An SQLSTATE does not prove what caused the error. Here one client of a job, all
// clients of another, and a source of a merge meet an error of each class. Each
// job ends, these clients fail with the SQLSTATE, and the others are erased.
func TestAClientWithAnErrorOfAnyClassFailsAlone(t *testing.T) {
	t.Parallel()
	for _, state := range statesOfAnyClass {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 300)
			one, all, sources := r.db.Clients(t, 1, 12), r.db.Clients(t, 2, 4), r.db.Clients(t, 3, 3)
			refused := slices.Concat(one[5:6], all, sources[:1])
			r.raise(t, state, refused)
			// On a busy machine, reading the catalog again can take longer than the
			// rig's short lease, which would count as a crash.
			s := r.run(func(o *repository.Options) { o.Lease = 10 * time.Second })
			onlyOne, everybody := r.accept(s, "1", one).ID, r.accept(s, "2", all).ID
			m, _, err := s.AcceptMerge(t.Context(), jobs.MergeRequest{
				TenantID:     "3",
				SourceIDs:    sources,
				DeleteSource: true,
				Conflicts:    jobs.FailOnConflict,
				CreatedBy:    "test",
			}, jobs.IdempotencyKey{Key: "merge", Caller: "test"})
			if err != nil {
				t.Fatal(err)
			}
			for id, failed := range map[string]int{onlyOne: 1, everybody: 4, m.ID: 1} {
				var j jobs.Job
				bookingdb.Wait(t, "the end of a job", func() bool {
					kind := jobs.Erasure
					if id == m.ID {
						kind = jobs.Merge
					}
					if j, err = s.Job(t.Context(), kind, jobs.AnyTenant, id); err != nil {
						t.Fatal(err)
					}
					return j.State.Final()
				})
				if j.Counts.Failed != failed || j.Exceptions[state] != failed || j.Counts.Pending != 0 {
					t.Errorf("job %+v, want %d failed with %s", j, failed, state)
				}
			}
			left := r.db.Existing(t, slices.Concat(one, all, sources))
			slices.Sort(left)
			slices.Sort(refused)
			if !slices.Equal(left, refused) {
				t.Errorf("left %v, want %v", left, refused)
			}
			if strings.Contains(r.log.String(), "vezno") {
				t.Error("the log quotes PostgreSQL's message")
			}
		})
	}
}

// Workers wait for the end of an outage, for any time and with any SQLSTATE. No
// client fails because of it.
func TestDuringAnOutageWorkersWaitAndNoClientFails(t *testing.T) {
	t.Parallel()
	for name, outage := range map[string]struct{ begin, end string }{
		"read-only": {
			"ALTER DATABASE %s SET default_transaction_read_only = on",
			"ALTER DATABASE %s RESET default_transaction_read_only",
		},
		"refuses logins": {"REVOKE CONNECT ON DATABASE %s FROM PUBLIC", "GRANT CONNECT ON DATABASE %s TO PUBLIC"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 300)
			conn, err := r.db.Pool.Acquire(t.Context()) // it is open before the outage
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Release()
			exec := func(sql string) {
				t.Helper()
				ctx := context.WithoutCancel(t.Context())
				if _, err := conn.Exec(ctx, fmt.Sprintf(sql, `"`+conn.Conn().Config().Database+`"`)); err != nil {
					t.Error(err)
				}
				if _, err := conn.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE datname = current_database() AND usename = $1`, r.db.WorkerRole); err != nil {
					t.Error(err)
				}
			}
			chunks := 0
			begun := make(chan struct{})
			s := r.run(func(o *repository.Options) {
				o.Lanes = 1
				o.Failpoint = func(name string) {
					if name == "chunk:decided" {
						if chunks++; chunks == 2 {
							exec(outage.begin)
							close(begun)
						}
					}
				}
			})
			keys := r.db.Clients(t, 1, 60)
			id := r.accept(s, "1", keys).ID
			<-begun
			bookingdb.Wait(t, "workers to notice the outage", func() bool {
				return strings.Contains(r.log.String(), "batch given back; it continues") || strings.Contains(r.log.String(), "hint not processed")
			})
			time.AfterFunc(5*time.Second, func() { exec(outage.end) })
			var j jobs.Job
			bookingdb.Wait(t, "the end of the job", func() bool {
				j, err = s.Job(t.Context(), jobs.Erasure, jobs.AnyTenant, id)
				return err == nil && j.State.Final()
			})
			if j.State != jobs.Completed || j.Counts.Failed != 0 {
				t.Errorf("job %+v", j)
			}
		})
	}
}
