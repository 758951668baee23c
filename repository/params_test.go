package repository

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// whole are the parameters of each use, with everything that they can hold.
func whole() map[string]params {
	m := &erasuremap.Map{Retention: []erasuremap.Retention{}}
	p := &plan.Plan{Map: m}
	law := &jobs.Law{TimeZone: "Europe/Paris"}
	c := &jobs.Claim{TenantID: "1", Terms: jobs.Terms{Locale: "de", Law: law}}
	ch := chunk{plan: p, claim: c, keys: []string{"1"}}
	clients := forClients(p, "1", []string{"1"})
	judge, write := ch.judgeParams(), ch.writeParams(ch.keys, "7", []string{"7"}, map[string][]string{"address_id": {}})
	sweep := sweepParams{clients, labels{m, "de"}, retention{m, law}}
	first := "row"
	return map[string]params{
		"tenantParams": forTenant(p, "1"), "clientParams": clients, "lawParams": lawParams{forTenant(p, "1"), new(time.Time)},
		"selectionParams": selectionParams{forTenant(p, "1"), time.Now(), law}, "profileParams": forProfile(p, c, 2),
		"profileCountParams": profileCountParams{clients, []string{"7"}}, "judgeParams": judge, "writeParams": write,
		"mergeParams judging": mergeParams[judgeParams]{judge, "2"}, "mergeParams writing": mergeParams[writeParams]{write, "2"},
		"sweepParams": sweep, "sweepFindParams": sweepFindParams{sweep, []*string{&first}},
		"sweepClearParams": sweepClearParams{sweep, [][]string{{"row"}}},
	}
}

// given says which use has which parameters, besides a tenant and literals.
var given = map[string]string{
	"tenantParams":        "",
	"clientParams":        "keys",
	"lawParams":           "now",
	"selectionParams":     "cutoff override activity_time_zone",
	"profileParams":       "slot label",
	"profileCountParams":  "keys profiles",
	"judgeParams":         "keys cutoff activities override time_zone activity_time_zone",
	"writeParams":         "keys label profile profiles owned time_zone",
	"mergeParams judging": "keys cutoff activities override time_zone activity_time_zone target",
	"mergeParams writing": "keys label profile profiles owned time_zone target",
	"sweepParams":         "keys label time_zone",
	"sweepFindParams":     "keys label time_zone after limit",
	"sweepClearParams":    "keys label time_zone rows",
}

func TestEachUseOfStatementsHasItsOwnParametersAndNoOthers(t *testing.T) {
	t.Parallel()
	all := map[plan.ArgKind]string{
		plan.ArgKeys: "", plan.ArgTarget: "", plan.ArgProfile: "", plan.ArgProfiles: "", plan.ArgOwned: "address_id",
		plan.ArgLabel: "unknown_client", plan.ArgOverride: "", plan.ArgCutoff: "", plan.ArgActivities: "", plan.ArgNow: "",
		plan.ArgTimeZone: "", plan.ArgActivityZone: "", plan.ArgLimit: "", plan.ArgAfter: "0", plan.ArgRows: "0",
		plan.ArgSlot: "",
	}
	uses := whole()
	if len(uses) != len(given) {
		t.Fatalf("%d uses, %d in the table", len(uses), len(given))
	}
	for use, p := range uses {
		for kind, text := range all {
			st := plan.Statement{Name: "visits: reassign", Args: []plan.Arg{
				{Kind: plan.ArgTenant},
				{Kind: plan.ArgLiteral, Text: "x"},
				{Kind: kind, Text: text},
			}}
			_, err := bind(p, st)
			want := false
			for _, name := range strings.Fields(given[use]) {
				want = want || strings.ReplaceAll(string(kind), " ", "_") == name
			}
			switch {
			case want && err != nil:
				t.Errorf("%s: %v, want a value", use, err)
			case !want && !errors.Is(err, errNoValue):
				t.Errorf("%s: parameter %s gives %v, want it refused", use, kind, err)
			case !want && (!strings.Contains(err.Error(), "visits: reassign") ||
				!strings.Contains(err.Error(), string(kind)) || !strings.Contains(err.Error(), "Params")):
				t.Errorf("%s: %q names neither statement, parameter nor use", use, err)
			}
		}
	}
}

func TestAnOwnedColumnThatNobodyReadIsRefused(t *testing.T) {
	t.Parallel()
	st := plan.Statement{Name: "addresses: delete", Args: []plan.Arg{{Kind: plan.ArgOwned, Text: "home_id"}}}
	if args, err := bind(whole()["writeParams"], st); !errors.Is(err, errNoValue) {
		t.Errorf("%v, %v, want an error: NULL would leave the rows alone", args, err)
	}
}

func TestAStatementWithARetentionDateIsRefusedInAMapWithoutRetention(t *testing.T) {
	t.Parallel()
	st := plan.Statement{Name: "invoices: find what is over", Args: []plan.Arg{{Kind: plan.ArgFirstKept, Text: "invoice"}}}
	ch := chunk{plan: &plan.Plan{Map: &erasuremap.Map{}}, claim: &jobs.Claim{}}
	if args, err := bind(ch.judgeParams(), st); !errors.Is(err, errNoValue) {
		t.Errorf("%v, %v, want an error", args, err)
	}
}
