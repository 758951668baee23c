package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/testdb"
)

// lookedAt has the columns of the system catalogs that say what a table stores, and what
// copies or refuses its rows, in PostgreSQL 14 to 18. Somebody has asked of each what it
// means for erasing: it is read by catalogSQL or FingerprintSQL, or it changes neither
// which rows there are nor where they go.
var lookedAt = map[string]string{
	"pg_class": `oid relname relnamespace reltype reloftype relowner relam relfilenode reltablespace relpages reltuples
		relallvisible relallfrozen reltoastrelid relhasindex relisshared relpersistence relkind relnatts relchecks relhasrules
		relhastriggers relhassubclass relrowsecurity relforcerowsecurity relispopulated relreplident relispartition relrewrite
		relfrozenxid relminmxid relacl reloptions relpartbound`,
	"pg_attribute": `attrelid attname atttypid attstattarget attlen attnum attndims attcacheoff atttypmod attbyval attalign
		attstorage attcompression attnotnull atthasdef atthasmissing attidentity attgenerated attisdropped attislocal
		attinhcount attcollation attacl attoptions attfdwoptions attmissingval`,
	"pg_constraint": `oid conname connamespace contype condeferrable condeferred conenforced convalidated conrelid contypid
		conindid conparentid confrelid confupdtype confdeltype confmatchtype conislocal coninhcount connoinherit conperiod
		conkey confkey conpfeqop conppeqop conffeqop confdelsetcols conexclop conbin`,
	"pg_trigger": `oid tgrelid tgparentid tgname tgfoid tgtype tgenabled tgisinternal tgconstrrelid tgconstrindid
		tgconstraint tgdeferrable tginitdeferred tgnargs tgattr tgargs tgqual tgoldtable tgnewtable`,
}

func TestEveryColumnOfTheCatalogsThatDescribeTablesHasBeenLookedAt(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	for catalog, columns := range lookedAt {
		var live []string
		err := pool.QueryRow(t.Context(), `
			SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = $1::text::regclass AND (attnum > 0) AND NOT attisdropped`,
			catalog).Scan(&live)
		if err != nil {
			t.Fatal(err)
		}
		for _, column := range live {
			if !slices.Contains(strings.Fields(columns), column) {
				t.Errorf("nobody has looked at %s.%s: ask what it means for erasing, and read it in catalogSQL and FingerprintSQL "+
					"if it matters", catalog, column)
			}
		}
	}
}
