package repository

import (
	"fmt"
	"strconv"
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
	law      *jobs.Law
	now      time.Time
	keys     []string
	profile  string
	profiles []string
	owned    map[string][]string
	slot     int
	after    []*string  // a row's name, to go on behind it
	rows     [][]string // names of rows, part by part

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
		case plan.ArgNow:
			args[i] = v.now
		case plan.ArgTimeZone:
			args[i] = timeZone(v.law)
		case plan.ArgLimit:
			args[i] = sweepFinds
		case plan.ArgAfter:
			args[i] = v.after[part(a)]
		case plan.ArgRows:
			args[i] = v.rows[part(a)]
		case plan.ArgSlot:
			args[i] = v.slot
		case plan.ArgFirstKept:
			periods, err := applicable(v.m, a.Text, v.law)
			if err != nil {
				return nil, err
			}
			args[i] = periods.firstKept()
		default:
			return nil, fmt.Errorf("statement %s: parameter of unknown kind %s", st.Name, a.Kind)
		}
	}
	return args, nil
}

// part is which part of a row's name a parameter stands for.
func part(a plan.Arg) int {
	n, _ := strconv.Atoi(a.Text) // package plan wrote it
	return n
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }
