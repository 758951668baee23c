package repository_test

import (
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

func offer(t *testing.T, s *repository.Store, change ...func(*jobs.ConsoleRequest)) (id, code string) {
	t.Helper()
	r := jobs.ConsoleRequest{
		Caller: jobs.Caller{Tenant: "1", Subject: "u1", Email: "owner@studio.example", Role: jobs.Admin},
		Locale: "fr", Path: "/console/jobs", Until: time.Now().Add(time.Hour),
	}
	for _, f := range change {
		f(&r)
	}
	id, code, until, err := s.OfferConsole(t.Context(), r)
	if err != nil || until.Before(time.Now()) || until.After(time.Now().Add(2*time.Minute)) {
		t.Fatalf("offered until %s, %v", until, err)
	}
	return id, code
}

func TestALinkIntoTheConsoleIsGoodOnceAndForAMinute(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db, func(o *repository.Options) { o.URL = db.APIURL })
	id, code := offer(t, s)
	c, cookie, err := s.OpenConsole(t.Context(), code)
	if err != nil || c.ID != id || c.Tenant != "1" || c.Subject != "u1" || c.Role != jobs.Admin || c.Locale != "fr" ||
		c.Path != "/console/jobs" {
		t.Fatalf("opened: %+v, %v", c, err)
	}
	if c.Ends.After(time.Now().Add(time.Hour + time.Minute)) {
		t.Errorf("the session outlives its token: %s", c.Ends)
	}
	for what, bad := range map[string]string{"used": code, "empty": "", "a cookie": cookie, "made up": strings.Repeat("x", 43)} {
		if _, _, err := s.OpenConsole(t.Context(), bad); codeOf(err) != "signed_out" {
			t.Errorf("a code that is %s: %v", what, err)
		}
	}
	_, late := offer(t, s)
	db.Exec(t, "UPDATE oubli.console_sessions SET code_until = now() - interval '1 second' WHERE opened_at IS NULL")
	if _, _, err := s.OpenConsole(t.Context(), late); codeOf(err) != "signed_out" {
		t.Errorf("a code that is too old: %v", err)
	}
	stored := strings.Join(db.Strings(t, "SELECT s::text FROM oubli.console_sessions AS s"), "\n")
	if strings.Contains(stored, cookie) || strings.Contains(stored, code) || strings.Contains(stored, late) {
		t.Error("the table has a code or a cookie as it is")
	}
}

func TestASessionOfTheConsoleEndsByItselfAndByWhoMayEndIt(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db, func(o *repository.Options) { o.URL = db.APIURL })
	begin := func(change ...func(*jobs.ConsoleRequest)) (id, cookie string) {
		id, code := offer(t, s, change...)
		_, cookie, err := s.OpenConsole(t.Context(), code)
		if err != nil {
			t.Fatal(err)
		}
		return id, cookie
	}
	open := func(cookie string) bool {
		_, err := s.ConsoleSession(t.Context(), cookie)
		return err == nil
	}
	id, idle := begin()
	db.Exec(t, "UPDATE oubli.console_sessions SET seen_at = now() - interval '14 minutes' WHERE id = $1::text::uuid", id)
	if !open(idle) || db.Int(t, "SELECT count(*) FROM oubli.console_sessions WHERE seen_at > now() - interval '1 minute'") != 1 {
		t.Error("a session in use ended, or its use was not noted")
	}
	db.Exec(t, "UPDATE oubli.console_sessions SET seen_at = now() - interval '16 minutes' WHERE id = $1::text::uuid", id)
	if open(idle) {
		t.Error("a session without requests did not end")
	}
	id, old := begin()
	db.Exec(t, "UPDATE oubli.console_sessions SET ends_at = now() - interval '1 second' WHERE id = $1::text::uuid", id)
	if open(old) {
		t.Error("a session outlived its end")
	}
	_, out := begin()
	if err := s.CloseConsole(t.Context(), out); err != nil || open(out) {
		t.Errorf("signed out: %v", err)
	}
	viewer := func(r *jobs.ConsoleRequest) { r.Role, r.Subject = jobs.Viewer, "u2" }
	id, other := begin(viewer)
	for _, stranger := range []jobs.Caller{
		{Tenant: "2", Subject: "u2", Role: jobs.Admin}, {Tenant: "1", Subject: "u3", Role: jobs.Viewer},
	} {
		if err := s.EndConsole(t.Context(), stranger, id); jobs.KindOf(err) != jobs.Missing || !open(other) {
			t.Errorf("%+v ended it: %v", stranger, err)
		}
	}
	if err := s.EndConsole(t.Context(), jobs.Caller{Tenant: "1", Subject: "u1", Role: jobs.Admin}, id); err != nil || open(other) {
		t.Errorf("an admin of the tenant: %v", err)
	}
	if err := s.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := db.Int(t, "SELECT count(*) FROM oubli.console_sessions"); n != 0 {
		t.Errorf("%d sessions that have ended are still stored", n)
	}
}
