package repository_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

func TestAGuardThatReadsATableBehindPoliciesIsRefused(t *testing.T) {
	t.Parallel()
	const yaml = noTenant + `guards:
  hold: {where: "EXISTS (SELECT FROM holds AS h WHERE h.who = id)"}
  vip:  {where: "id IN (SELECT who FROM vips)"}
tables:
  - {table: visits, reference: client_id, erase: reassign}
`
	s := newShape(t, yaml, noTenantSQL+`
CREATE TABLE visits (id int PRIMARY KEY, client_id bigint REFERENCES clients);
CREATE TABLE holds (who bigint NOT NULL, court text) PARTITION BY RANGE (who);
CREATE TABLE holds_1 PARTITION OF holds FOR VALUES FROM (0) TO (1000);
CREATE TABLE old_vips (who bigint NOT NULL);
CREATE VIEW vips AS SELECT who FROM old_vips;
INSERT INTO holds VALUES (1, 'Landgericht');`)
	c := s.claims(t, 1, "1")[0]
	for table, line := range map[string]string{"holds": "map.yaml:4:", "old_vips": "map.yaml:5:"} {
		s.Exec(t, `
			ALTER TABLE `+table+` ENABLE ROW LEVEL SECURITY;
			CREATE POLICY lawyers ON `+table+` USING (current_user = 'lawyers')`)
		err := s.store.Cover(t.Context())
		gaps, ok := errors.AsType[plan.Gaps](err)
		if !ok || len(gaps) != 1 || gaps[0].Table != "public."+table ||
			!strings.HasPrefix(gaps[0].String(), line) || !strings.Contains(gaps[0].Fix, "BYPASSRLS") {
			t.Errorf("%s: %v, want one gap at %s that names the table", table, err, line)
		}
		if _, err := s.store.EraseChunk(t.Context(), c, 1); jobs.KindOf(err) != jobs.Conflict || !strings.Contains(err.Error(), "public."+table) {
			t.Errorf("a chunk: %v, want the job blocked", err)
		}
		s.Exec(t, "ALTER TABLE "+table+" DISABLE ROW LEVEL SECURITY")
	}
	if err := s.store.Cover(t.Context()); err != nil {
		t.Errorf("without policies: %v", err)
	}
}

func TestAJobIsBlockedWhenItsActivityOrOverrideLeavesTheMap(t *testing.T) {
	t.Parallel()
	const yaml = noTenant + `guards:
  %s: {table: visits, reference: client_id, where: "day > now()", overridable: true}
activity:
  %s: {table: visits, reference: client_id, at: day}
tables:
  - {table: visits, reference: client_id, erase: reassign}
`
	text := func(guard, activity string) *erasuremap.Map {
		m, err := erasuremap.Parse("map.yaml", []byte("version: 1\n"+fmt.Sprintf(yaml, guard, activity)))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	s := newShape(t, fmt.Sprintf(yaml, "booked", "visits"), noTenantSQL+`
CREATE TABLE visits (id int GENERATED ALWAYS AS IDENTITY, client_id bigint NOT NULL REFERENCES clients, day timestamptz);`)
	sel, err := s.store.Select(t.Context(), jobs.SelectionRequest{Period: "P1Y", Without: []string{"visits"}, CreatedBy: "test"})
	if err != nil {
		t.Fatal(err)
	}
	j := accept(t, s.store, "", nil, func(r *jobs.ErasureRequest) {
		r.ClientIDs, r.SelectionID, r.ExpectedCount, r.Reason, r.Override = nil, sel.ID, sel.Total, jobs.Inactivity, []string{"booked"}
	})
	c := mustClaim(t, s.store, dispatch(t, s.store)[0].TaskID)
	s.Exec(t, "INSERT INTO visits (client_id, day) VALUES (1, now())")

	var file atomic.Pointer[erasuremap.Map]
	for _, renamed := range []struct{ guard, activity, want string }{
		{"booked", "appointments", "activity visits, which the map no longer has: write it under activity: in map.yaml"},
		{"reserved", "visits", "guard booked, which the map no longer has: write it under guards: in map.yaml"},
	} {
		file.Store(text(renamed.guard, renamed.activity))
		other := open(t, s.DB, func(o *repository.Options) {
			o.Map = file.Load()
			o.LoadMap = func() (*erasuremap.Map, error) { return file.Load(), nil }
		})
		if _, err := other.EraseChunk(t.Context(), c, 40); jobs.KindOf(err) != jobs.Conflict || !strings.Contains(err.Error(), renamed.want) {
			t.Fatalf("%v, want the job blocked because it names %s", err, renamed.want)
		}
		file.Store(text("booked", "visits"))
		if renamed.guard == "reserved" { // fixed: the file is read again, and the job goes on
			if err := drain(t.Context(), other, c, 40); err != nil {
				t.Fatal(err)
			}
		}
	}
	if j = job(t, s.store, j.ID); j.Exceptions[jobs.CodeRecentActivity] != 1 || j.Counts.Erased != 39 {
		t.Errorf("client 1 was active since: %+v", j.Counts)
	}
}
