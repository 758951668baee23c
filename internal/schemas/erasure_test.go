package schemas_test

import (
	"crypto/md5"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/oubli/oubli/internal/erasuremap"
)

func TestRailsMembersAreErasedWithoutATrace(t *testing.T) {
	t.Parallel()
	f := open(t, "rails", "members")
	m := f.answered(t)
	f.compiles(t, m)
	f.erase(t, m, members())
}

func TestTheSearchFindsWhatAMapForgets(t *testing.T) {
	t.Parallel()
	f := open(t, "rails", "members")
	m := f.answered(t)
	m.Tables = slices.DeleteFunc(m.Tables, func(e erasuremap.Table) bool { return e.Table.Relation == "audits" })
	m.Ignore = append(m.Ignore, erasuremap.Ignored{Table: erasuremap.Name{Relation: "audits"}, Because: "this test forgets it"})
	findings := strings.Join(f.findings(t, m, members()), "\n")
	for _, want := range []string{"a trace in public.audits", "a key in public.audits"} {
		if !strings.Contains(findings, want) {
			t.Errorf("no %q in:\n%s", want, findings)
		}
	}
}

func members() request {
	r := request{tenant: uuidOf("account/1")}
	for _, n := range []int{3, 6, 9, 12, 15, 18, 30, 33, 60, 90} { // of the first gym, in the same lessons
		r.keys = append(r.keys, uuidOf(fmt.Sprintf("member/%d", n)))
		r.markers = append(r.markers, marker(n))
	}
	r.spoken = r.keys
	return r
}

// uuidOf is the uuid that the data's pg_temp.uuid_of makes.
func uuidOf(words string) string { return uuid.UUID(md5.Sum([]byte(words))).String() }

func TestDjangoCustomersAreErasedWithoutATrace(t *testing.T) {
	t.Parallel()
	f := open(t, "django", "crm_customer")
	m := f.answered(t)
	f.compiles(t, m)
	f.erase(t, m, customers())
}

func customers() request {
	r := request{} // one salon, and no table of salons
	for _, n := range []int{2, 3, 4, 7, 8, 40, 79, 80} {
		r.keys = append(r.keys, fmt.Sprint(770000+n))
		r.markers = append(r.markers, marker(n))
	}
	r.spoken = r.keys
	return r
}

func TestPrismaCustomersAreErasedWithoutATrace(t *testing.T) {
	t.Parallel()
	f := open(t, "prisma", "Customer")
	m := f.answered(t)
	f.compiles(t, m)
	r := request{tenant: "org_1"}
	for _, n := range []int{2, 4, 6, 10, 14, 40, 80} {
		r.keys = append(r.keys, fmt.Sprintf("cus_%x", md5.Sum([]byte(fmt.Sprintf("c%d", n)))))
		r.markers = append(r.markers, marker(n))
	}
	r.spoken = r.keys
	f.erase(t, m, r)
}

func TestCitusCustomersAreErasedWithoutATrace(t *testing.T) {
	t.Parallel()
	f := open(t, "citus", "customers")
	m := f.answered(t)
	f.compiles(t, m)
	r := request{tenant: "1"}
	for _, n := range []int{1, 4, 7, 10, 40} { // company 2 has the same numbers
		r.keys = append(r.keys, fmt.Sprint(n))
		r.markers = append(r.markers, marker(100+n))
	}
	f.erase(t, m, r)
}
