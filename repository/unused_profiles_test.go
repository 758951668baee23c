package repository_test

import "testing"

func TestProfilesThatNothingNeedsAreRemoved(t *testing.T) {
	t.Parallel()
	s := newShape(t, classMap, crowded)
	s.eraseAll(t, "1", keys(1, 10)...)
	made := s.profiles(t)
	s.Exec(t, "UPDATE oubli.anonymous_profiles SET created_at = now() - interval '2 days'")
	const shared = "SELECT client_key::bigint FROM oubli.anonymous_profiles WHERE slot = 1"
	s.Exec(t, "DELETE FROM participations WHERE client_id > 1000 AND client_id <> ("+shared+") AND session_id > 1")
	s.Exec(t, "DELETE FROM participations WHERE client_id > 1000 AND (client_id % 2 = 0 OR client_id = ("+shared+"))")
	used := s.Int(t, "SELECT count(DISTINCT client_id) FROM participations WHERE client_id > 1000")
	if used == 0 || used > made-2 {
		t.Fatalf("%d of %d profiles are used: the test shows nothing", used, made)
	}
	if _, err := s.store.SweepRetained(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := s.profiles(t); left != used+1 {
		t.Errorf("%d profiles are left, want the %d that are used and the shared one", left, used)
	}
	s.is(t, "SELECT count(*) FROM clients WHERE id > 1000", itoa(used+1))
	s.eraseAll(t, "1", keys(11, 20)...) // whose slots are made anew
	s.is(t, "SELECT session_id, count(*) FROM participations WHERE client_id <= 20 GROUP BY 1")
}
