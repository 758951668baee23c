package repository_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

func parseMap(t *testing.T, yaml string) *erasuremap.Map {
	t.Helper()
	m, err := erasuremap.Parse("map.yaml", []byte("version: 1\n"+yaml))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAJobThatNeedsMoreProfilesThanTheMapAllowsIsBlockedBeforeItChangesAnything(t *testing.T) {
	t.Parallel()
	const limit = "profiles: 8\n"
	var edited atomic.Pointer[erasuremap.Map]
	edited.Store(parseMap(t, classMap+limit))
	s := newShape(t, classMap+limit, crowded, func(o *repository.Options) {
		o.BatchClients = 10
		o.LoadMap = func() (*erasuremap.Map, error) { return edited.Load(), nil }
	})
	accept(t, s.store, "1", keys(1, 20))
	c := claimFirst(t, s.store)
	_, err := s.store.EraseChunk(t.Context(), c, 3)
	e, ok := errors.AsType[*jobs.Error](err)
	if !ok || e.Code != jobs.CodeOperator {
		t.Fatalf("want a job that waits for an operator, got %v", err)
	}
	for _, want := range []string{"participations", "participations_session_id_client_id_key", "need 20", "allows a tenant 8", "map.yaml"} {
		if !strings.Contains(e.Msg, want) {
			t.Errorf("%q does not name %q", e.Msg, want)
		}
	}
	s.is(t, "SELECT count(*), count(*) FILTER (WHERE id > 1000) FROM clients", "40 0")

	edited.Store(parseMap(t, classMap+"profiles: 30\n"))
	for c.Left() > 0 {
		if _, err := s.store.EraseChunk(t.Context(), c, 3); err != nil {
			t.Fatalf("after the map was edited: %v", err)
		}
	}
	s.is(t, "SELECT count(*) FROM clients WHERE id <= 40", "30")
}

func TestASmallJobIsHeldToTheLimitToo(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap+"profiles: 10\n", crowded)
	s.eraseAll(t, "1", keys(1, 5)...)
	next := func(keys ...string) *jobs.Claim {
		s.Exec(t, "DELETE FROM oubli.tasks WHERE kind = 'mail'") // so that a batch is the first task
		accept(t, s.store, "1", keys)
		return claimFirst(t, s.store)
	}
	c := next(keys(6, 10)...)
	var err error
	for c.Left() > 0 && err == nil {
		_, err = s.store.EraseChunk(t.Context(), c, 5)
	}
	if err != nil { // lane 1 has its slots up to the limit
		t.Fatalf("ten rows on ten profiles: %v", err)
	}
	if err := s.store.Finish(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	_, err = s.store.EraseChunk(t.Context(), next("11", "12"), 5)
	if e, ok := errors.AsType[*jobs.Error](err); !ok || e.Code != jobs.CodeOperator || !strings.Contains(e.Msg, "allows a tenant 10") {
		t.Errorf("an eleventh profile: %v", err)
	}
	if n := s.profiles(t); n != 10 {
		t.Errorf("%d profiles, want 10", n)
	}
}

func TestProfilesThatAnEarlierVersionMadeAreComparedOnce(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap, classSQL+"INSERT INTO participations (session_id, client_id) SELECT 1, n FROM generate_series(1, 9) AS n")
	s.eraseAll(t, "1", "1", "2")
	before := s.profiles(t)
	s.Exec(t, "UPDATE oubli.anonymous_profiles SET written = '{}'")
	s.Exec(t, "UPDATE clients SET name = 'Marie' WHERE id = (SELECT client_key::bigint FROM oubli.anonymous_profiles WHERE slot = 1)")
	s.eraseAll(t, "1", "3")
	s.is(t, "SELECT name, count(*) FROM clients JOIN participations ON client_id = clients.id WHERE clients.id > 1000 GROUP BY 1 ORDER BY 1",
		"Marie 1", "anonymous 2")
	s.is(t, "SELECT count(*), count(*) FILTER (WHERE written = '{}'), count(replaced_at) FROM oubli.anonymous_profiles",
		itoa(before+1)+" 1 1")
}

func TestProcessesSetToDifferentNumbersOfLanesWorkWithOne(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap, crowded, func(o *repository.Options) { o.BatchClients = 6 })
	three := open(t, s.DB, func(o *repository.Options) { o.Map, o.Lanes, o.BatchClients = parseMap(t, classMap), 3, 6 })
	accept(t, s.store, "1", keys(1, 18))
	due, err := three.Dispatch(t.Context())
	if err != nil || len(due) != 3 {
		t.Fatalf("%d batches, %v", len(due), err)
	}
	var claims []*jobs.Claim
	for i, d := range due {
		store := []*repository.Store{three, s.store}[i%2]
		c := mustClaim(t, store, d.TaskID)
		if c.Lanes != 3 {
			t.Errorf("batch %d: lane %d of %d, want 3 as in the first", c.Number, c.Lane, c.Lanes)
		}
		claims = append(claims, c)
	}
	for i, c := range claims {
		if err := drain(t.Context(), []*repository.Store{s.store, three}[i%2], c, 3); err != nil {
			t.Errorf("lane %d: %v", c.Lane, err)
		}
	}
	s.is(t, "SELECT session_id, count(DISTINCT client_id) FROM participations GROUP BY 1 ORDER BY 1 LIMIT 2", "1 40", "2 40")
	s.Exec(t, "DELETE FROM oubli.tasks WHERE kind = 'mail'")
	accept(t, s.store, "1", keys(19, 20))
	if c := claimFirst(t, s.store); c.Lanes != 2 {
		t.Errorf("nobody works, and a process set to 2 lanes claims one of %d", c.Lanes)
	}
}

func TestCheckSaysHowManyProfilesTheLargestGroupNeeds(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap, crowded)
	for limit, warned := range map[string]bool{"39": true, "40": false} {
		_, _, warnings, err := schema.Check(t.Context(), s.URL, parseMap(t, classMap+"profiles: "+limit+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(warnings, func(w plan.Warning) bool {
			return strings.Contains(w.Why, "participations_session_id_client_id_key keeps up to 40 rows") && strings.HasPrefix(w.Fix, "profiles: 40")
		})
		if found != warned {
			t.Errorf("profiles: %s: %v", limit, warnings)
		}
	}
}
