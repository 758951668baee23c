package repository_test

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// crowded is classSQL with six classes that all forty clients attended.
const crowded = classSQL + `
INSERT INTO participations (session_id, client_id)
SELECT session, n FROM generate_series(1, 40) AS n, generate_series(1, 6) AS session`

// holdOnce stops the first transaction that has erased until goOn is called.
func holdOnce(t *testing.T, o *repository.Options) (reached <-chan struct{}, goOn func()) {
	at, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	o.Failpoint = func(name string) {
		if name == "chunk:erased" {
			once.Do(func() { close(at); <-free })
		}
	}
	goOn = sync.OnceFunc(func() { close(free) })
	t.Cleanup(goOn) // a failed test must not wait for the one that it holds
	return at, goOn
}

func TestInADatabaseOfOneTenantLanesAreSharedWhateverTokensCallTheTenant(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap, crowded)
	for i, tenant := range []string{"a", "b", "c"} {
		accept(t, s.store, tenant, keys(1+i, 1+i))
	}
	due := dispatch(t, s.store)
	if len(due) != 2 {
		t.Fatalf("%d batches were dispatched for 2 lanes", len(due))
	}
	lanes := []int{mustClaim(t, s.store, due[0].TaskID).Lane, mustClaim(t, s.store, due[1].TaskID).Lane}
	if !slices.Equal(lanes, []int{1, 2}) {
		t.Errorf("batches of two tokens got lanes %v", lanes)
	}
	if due := dispatch(t, s.store); len(due) != 0 {
		t.Errorf("a batch of the third token was dispatched, and has no lane")
	}
	third := s.Strings(t, "SELECT id::text FROM oubli.tasks WHERE tenant_id = 'c' AND kind = 'batch'")[0]
	if c, err := s.store.Claim(t.Context(), third); c != nil || err != nil {
		t.Errorf("a third batch was claimed beside two: %+v, %v", c, err)
	}
	for _, cutOff := range []bool{false, true} {
		if c, err := s.store.ClaimNext(t.Context(), "c", cutOff); c != nil || err != nil {
			t.Errorf("a third batch was claimed as the next, cut off %t: %+v, %v", cutOff, c, err)
		}
	}
}

func TestClaimsForSeveralTokensAtOneInstantTakeDifferentLanes(t *testing.T) {
	t.Parallel()
	const tokens = 12
	s := newShape(t, classMap, crowded, func(o *repository.Options) { o.Lanes, o.MaxConns = 4, tokens })
	var ids []string
	for n := range tokens {
		_, task := plant(t, s.DB, "token "+itoa(n), jobs.Bulk, 1)
		ids = append(ids, task...)
	}
	for round := range 5 {
		var taken []int
		for _, c := range together(t, tokens, func(i int) (*jobs.Claim, error) { return s.store.Claim(t.Context(), ids[i]) }) {
			taken = append(taken, c.Lane)
		}
		slices.Sort(taken)
		if !slices.Equal(taken, []int{1, 2, 3, 4}) {
			t.Fatalf("round %d: lanes %v are taken", round, taken)
		}
		s.Exec(t, "UPDATE oubli.tasks SET state = 'pending', lease_until = NULL, lane = NULL")
	}
}

func TestBatchesOfTwoTokensUseDifferentProfilesOfADatabaseOfOneTenant(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap, crowded, func(o *repository.Options) { o.LockTimeout = 20 * time.Second })
	accept(t, s.store, "a", keys(1, 18))
	accept(t, s.store, "b", keys(19, 36))
	var wg sync.WaitGroup
	for _, d := range dispatch(t, s.store) {
		c := mustClaim(t, s.store, d.TaskID)
		wg.Go(func() {
			for c.Left() > 0 {
				if _, err := s.store.EraseChunk(t.Context(), c, 3); err != nil {
					t.Errorf("tenant %s, lane %d: %v", c.TenantID, c.Lane, err)
					return
				}
			}
		})
	}
	wg.Wait()
	s.is(t, "SELECT session_id, count(*), count(DISTINCT client_id) FROM participations GROUP BY 1 ORDER BY 1",
		"1 40 40", "2 40 40", "3 40 40", "4 40 40", "5 40 40", "6 40 40")
	s.is(t, `
		SELECT slot % 2, count(DISTINCT client_id)
		FROM participations JOIN oubli.anonymous_profiles ON client_key::bigint = client_id
		GROUP BY 1 ORDER BY 1`, "0 18", "1 18")
}

// The rows of tasks may say what they want: here two claims have one lane.
func TestOfTwoChunksInOneLaneTheSecondWaits(t *testing.T) {
	t.Parallel()
	var reached <-chan struct{}
	var goOn func()
	s := newShape(t, classMap, crowded, func(o *repository.Options) {
		o.BatchClients, o.LockTimeout = 9, 20*time.Second
		reached, goOn = holdOnce(t, o)
	})
	claims := s.claims(t, 2, keys(1, 18)...)
	claims[1].Lane = claims[0].Lane
	errs := make(chan error, 2)
	go func() { errs <- drain(t.Context(), s.store, claims[0], 9) }()
	<-reached
	go func() { errs <- drain(t.Context(), s.store, claims[1], 9) }()
	s.blocked(t)
	s.is(t, `
		SELECT count(*) FROM pg_locks
		WHERE locktype = 'advisory' AND NOT granted
		  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, "1")
	goOn()
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	s.is(t, "SELECT DISTINCT slot % 2 FROM participations JOIN oubli.anonymous_profiles ON client_key::bigint = client_id", "1")
	s.is(t, "SELECT count(*), count(*) FILTER (WHERE client_id <= 18) FROM participations", "240 0")
}

func TestASecondLookWaitsForTheTenantsChunks(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	var reached <-chan struct{}
	var goOn func()
	var armed atomic.Bool
	s := open(t, db, impatient, func(o *repository.Options) {
		o.LockTimeout = 20 * time.Second
		reached, goOn = holdOnce(t, o)
		held := o.Failpoint
		o.Failpoint = func(name string) {
			if armed.Load() {
				held(name)
			}
		}
	})
	all := db.Clients(t, 1, 6)
	accept(t, s, "1", all[:3])
	work(t, s, 3)
	db.Exec(t, writeOf, "Client", all[:3])
	armed.Store(true)
	accept(t, s, "1", all[3:])
	chunk := make(chan error, 1)
	go func() { chunk <- drain(t.Context(), s, claimFirst(t, s), 3) }()
	<-reached

	found := make(chan map[string]int64, 1)
	go func() {
		for t.Context().Err() == nil {
			late, err := s.RunSecondLooks(t.Context())
			if len(late.Erased) > 0 || err != nil {
				if err != nil {
					t.Errorf("second look: %v", err)
				}
				found <- late.Erased
				return
			}
		}
	}()
	(&shape{DB: db}).blocked(t)
	if n := written(t, db); n != 3 {
		t.Errorf("beside a chunk of the tenant's the look left %d of 3 rows", n)
	}
	goOn()
	if err := <-chunk; err != nil {
		t.Error(err)
	}
	if rows := <-found; !maps.Equal(rows, map[string]int64{"audit_log": 3}) {
		t.Errorf("after the chunk the look found %v", rows)
	}
}

func TestASecondLookIsRepeatedWhenTheTenantIsBusyAndDoesNotFail(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 300)
	erasable(t, db)
	s := open(t, db, func(o *repository.Options) { o.LockTimeout = 50 * time.Millisecond })
	all := db.Clients(t, 1, 3)
	accept(t, s, "1", all)
	work(t, s, 3)
	db.Exec(t, writeOf, "Client", all)
	other := begin(t, db.Pool, "SELECT pg_advisory_xact_lock_shared(hashtextextended('oubli:tenant:1', 0))")
	looksAgain(t, s, map[string]int64{})
	if n := db.Int(t, "SELECT count(*) FROM oubli.second_looks WHERE tried IS NULL AND next_at > now()"); n != 1 {
		t.Fatalf("%d looks wait to be tried again, want 1", n)
	}
	if err := other.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	looksAgain(t, s, map[string]int64{}) // a pause must pass first
	db.Exec(t, "UPDATE oubli.second_looks SET next_at = now()")
	looksUntil(t, s, map[string]int64{"audit_log": 3})
}

func TestABigJobLetsASmallOneOfAnotherTokenHaveItsLane(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap, crowded, func(o *repository.Options) { o.Lanes = 1 })
	_, big := plant(t, s.DB, "a", jobs.Bulk, 1)
	c := mustClaim(t, s.store, big[0])
	if given, err := s.store.Yield(t.Context(), c); given || err != nil {
		t.Fatalf("nobody waits, and the batch was given back: %t, %v", given, err)
	}
	plant(t, s.DB, "b", jobs.Interactive, 1)
	if given, err := s.store.Yield(t.Context(), c); !given || err != nil {
		t.Errorf("a small job waits for the lane, and the batch was not given back: %v", err)
	}
}

func TestAMailTakesNoLaneFromTheTenantsBatches(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	accept(t, s, "1", db.Clients(t, 1, 5), func(r *jobs.ErasureRequest) { r.Notify = []string{"a@studio.example", "b@studio.example"} })
	work(t, s, 5)
	for _, id := range db.Strings(t, "SELECT id::text FROM oubli.tasks WHERE kind = 'mail'") {
		c, err := s.Claim(t.Context(), id)
		if err != nil || c == nil || c.Lane != 0 {
			t.Fatalf("claimed mail: %+v, %v", c, err)
		}
	}
	accept(t, s, "1", db.Clients(t, 1, 5))
	if c := claimFirst(t, s); c.Lane != 1 {
		t.Errorf("beside two open mails the batch got lane %d, want 1", c.Lane)
	}
}

func TestViewsAreStaleAfterACancelledJobAndNotAfterADryRun(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	erasable(t, db)
	stale := func() int { return db.Int(t, "SELECT count(*) FROM oubli.stale_views") }
	accept(t, s, "1", db.Clients(t, 1, 5), func(r *jobs.ErasureRequest) { r.DryRun, r.Notify = true, nil })
	work(t, s, 5)
	if n := stale(); n != 0 {
		t.Errorf("a dry run left %d notes", n)
	}
	j := accept(t, s, "1", db.Clients(t, 1, 20))
	if _, err := s.EraseChunk(t.Context(), claimFirst(t, s), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Cancel(t.Context(), jobs.Erasure, "1", j.ID); err != nil {
		t.Fatal(err)
	}
	if n := stale(); n != 1 {
		t.Errorf("a cancelled job that erased five left %d notes, want 1", n)
	}
}
