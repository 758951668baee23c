package repository

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// values are what the parameters of a plan's statements stand for in one chunk.
type values struct {
	claim    *jobs.Claim
	m        *erasuremap.Map
	today    time.Time
	keys     []string
	profile  string
	profiles []string
	owned    map[string][]string
	slot     int

	run    []plan.Statement // what becomes of those who are not left out
	shared bool             // it takes the tenant's shared profile
}

// queue adds statements to a batch.
func (v *values) queue(b *pgx.Batch, all ...plan.Statement) error {
	for _, st := range all {
		args, err := v.bind(st)
		if err != nil {
			return err
		}
		b.Queue(st.SQL, args...)
	}
	return nil
}

// bind lists a statement's arguments.
func (v *values) bind(st plan.Statement) ([]any, error) {
	args := make([]any, len(st.Args))
	for i, a := range st.Args {
		switch a.Kind {
		case plan.ArgKeys:
			args[i] = v.keys
		case plan.ArgTenant:
			args[i] = holder(v.m, v.claim.TenantID)
		case plan.ArgTarget:
			args[i] = v.claim.Terms.Merge.Target
		case plan.ArgProfile:
			args[i] = v.profile
		case plan.ArgProfiles:
			args[i] = v.profiles
		case plan.ArgOwned:
			args[i] = v.owned[a.Text]
		case plan.ArgLabel:
			args[i] = v.m.LabelText(a.Text, v.claim.Terms.Locale)
		case plan.ArgLiteral:
			args[i] = a.Text
		case plan.ArgOverride:
			args[i] = list(v.claim.Terms.Override)
		case plan.ArgCutoff:
			args[i] = v.claim.Terms.Cutoff
		case plan.ArgActivities:
			args[i] = list(v.claim.Terms.Activities)
		case plan.ArgToday:
			args[i] = v.today
		case plan.ArgLimit:
			args[i] = sweepRows
		case plan.ArgSlot:
			args[i] = v.slot
		case plan.ArgYears:
			years, err := v.years(a.Text)
			if err != nil {
				return nil, err
			}
			args[i] = years
		default:
			return nil, fmt.Errorf("statement %s: parameter of unknown kind %s", st.Name, a.Kind)
		}
	}
	return args, nil
}

// years is how long a retention lasts in the tenant's country.
func (v *values) years(name string) (int, error) {
	for _, r := range v.m.Retention {
		if r.Name != name {
			continue
		}
		if years, ok := r.Years[strings.ToUpper(v.claim.Terms.Country)]; ok {
			return years, nil
		}
		if r.Otherwise >= 0 {
			return r.Otherwise, nil
		}
	}
	return 0, &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator,
		Msg: fmt.Sprintf("retention %s of the map knows neither country %q nor an otherwise", name, v.claim.Terms.Country)}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }
