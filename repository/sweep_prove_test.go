package repository_test

import (
	"fmt"
	"testing"
)

// A row that is not cleared, whatever the database says, counts as refused, and the
// report names table, column and trigger. The others are cleared.
func TestASweepProvesThatRowsHaveTheValuesOfTheirRules(t *testing.T) {
	t.Parallel()
	row := func(body string) string { // of one row
		return `CREATE FUNCTION interfere() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
			IF OLD.id = 4 AND NEW.billing IS NULL THEN ` + body + ` END IF; RETURN NEW; END $$;`
	}
	const before = "CREATE TRIGGER interferes BEFORE UPDATE ON invoices FOR EACH ROW EXECUTE FUNCTION interfere();"
	const after = "CREATE TRIGGER interferes AFTER UPDATE ON invoices FOR EACH ROW EXECUTE FUNCTION interfere();"
	const late = "CREATE CONSTRAINT TRIGGER interferes AFTER UPDATE ON invoices DEFERRABLE INITIALLY DEFERRED " +
		"FOR EACH ROW EXECUTE FUNCTION interfere();"
	for name, test := range map[string]struct{ sql, place string }{
		"restored":              {row("NEW.billing := OLD.billing;") + before, "invoices.billing"},
		"suppressed":            {row("RETURN NULL;") + before, "invoices.billing"},
		"restored at the end":   {row("UPDATE invoices SET billing = OLD.billing WHERE id = OLD.id;") + late, "invoices.billing"},
		"moved to a kept text":  {row("NEW.memo := OLD.billing;") + before, "invoices.memo"},
		"copied to a partition": {row("INSERT INTO parts VALUES (1, OLD.billing);") + after, "parts"},
		"copied elsewhere":      {row("INSERT INTO outbox VALUES (OLD.billing);") + after, "outbox"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c clock
			c.set(t, "2026-12-01")
			s := newShape(t, fmt.Sprintf(invoicesMap, "memo: keep")+"triggers: [{name: interferes, because: \"a test\"}]\n",
				fmt.Sprintf(invoicesSQL, "NOT NULL REFERENCES clients")+`
ALTER TABLE invoices ADD memo text;
CREATE TABLE outbox (x text);
CREATE TABLE parts (n int, x text) PARTITION BY LIST (n);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
INSERT INTO invoices (client_id, issued_on, billing, memo)
  SELECT n, '2021-12-30', 'Client ' || n, 'memo ' || n FROM generate_series(2, 10) AS n;
`+test.sql, c.use)
			s.eraseAll(t, "1", keys(1, 10)...)
			s.sweepOn(t, &c, "2040-01-05")
			s.is(t, "SELECT id, memo, billing FROM invoices WHERE billing IS NOT NULL OR memo <> 'memo ' || id", "4 memo 4 Client 4")
			s.is(t, "SELECT FROM outbox UNION ALL SELECT FROM parts")
			code := "not_erased:" + test.place + " (triggers and rules: interferes)"
			r := retention(t, s.store, "1")
			if got := r.Sweeps[0].Refused; len(got) != 1 || got[code] != 1 {
				t.Errorf("refused %v, want %s", got, code)
			}
			if k := r.Kept[0]; k.Due != 1 || k.Refused != 1 || k.Cleared != 9 {
				t.Errorf("%+v", k)
			}
			if stats, err := s.store.RetentionStats(t.Context()); err != nil || stats[0].Refused != 1 {
				t.Errorf("statistics %+v, %v", stats, err)
			}
		})
	}
}
