package repository_test

import "testing"

func TestTwoReferencesThatMustDifferStandOnDifferentProfiles(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: transfers, reference: from_id, erase: reassign, columns: {memo: null}}
  - {table: transfers, reference: to_id, erase: reassign, columns: {memo: null}}
`, noTenantSQL+`
CREATE TABLE transfers (
  id int PRIMARY KEY, from_id bigint NOT NULL REFERENCES clients, to_id bigint REFERENCES clients, memo text, CHECK (from_id <> to_id));
INSERT INTO transfers SELECT n, n, n % 10 + 1, 'x' FROM generate_series(1, 10) AS n;
INSERT INTO transfers VALUES (11, 1, NULL, 'x')`)
	s.eraseAll(t, "1", "1", "2", "5") // both in one chunk, and one of two
	s.eraseAll(t, "1", "3", "4", "6", "7", "8", "9", "10")
	s.is(t, "SELECT count(*), count(memo), count(*) FILTER (WHERE from_id <= 40 OR to_id <= 40) FROM transfers", "11 0 0")
	s.is(t, "SELECT count(*) FROM transfers WHERE from_id = to_id", "0")
	if n := s.profiles(t); n > 3 {
		t.Errorf("%d profiles for two references", n)
	}
}
