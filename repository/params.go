package repository

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// params gives the parameters of a plan's statements their values. Each use of
// statements has a type of its own below, which holds all that this use has and
// nothing else. A statement that asks for more is refused by name before it is
// sent.
type params interface {
	value(plan.Arg) (any, error)
}

// errNoValue says that a use of statements has no value for a parameter.
var errNoValue = errors.New("no value here for this parameter")

// bind lists a statement's arguments.
func bind(p params, st plan.Statement) ([]any, error) {
	args := make([]any, len(st.Args))
	for i, a := range st.Args {
		value, err := p.value(a)
		if errors.Is(err, errNoValue) {
			use := strings.TrimPrefix(fmt.Sprintf("%T", p), "repository.")
			// No client is to blame, and trying again does not help: the job blocks.
			return nil, &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Err: err,
				Msg: fmt.Sprintf("a fault of this program: statement %q asks %s for parameter %q", st.Name, use, a.Kind)}
		}
		if err != nil {
			return nil, err
		}
		args[i] = value
	}
	return args, nil
}

// queue adds statements to a batch.
func queue(b *pgx.Batch, p params, all ...plan.Statement) error {
	for _, st := range all {
		args, err := bind(p, st)
		if err != nil {
			return err
		}
		b.Queue(st.SQL, args...)
	}
	return nil
}

// tenantParams are for statements about a tenant alone.
type tenantParams struct{ owner string }

func forTenant(p *plan.Plan, tenant string) tenantParams {
	return tenantParams{p.Map.ProfileOwner(tenant)}
}

func (t tenantParams) value(a plan.Arg) (any, error) {
	switch a.Kind {
	case plan.ArgTenant:
		return t.owner, nil
	case plan.ArgLiteral:
		return a.Text, nil
	}
	return nil, errNoValue
}

// clientParams are for statements that read or lock some of a tenant's clients.
type clientParams struct {
	tenantParams
	keys []string
	job  string // empty: no statement asks for it
}

func forClients(p *plan.Plan, tenant string, keys []string) clientParams {
	return clientParams{tenantParams: forTenant(p, tenant), keys: keys}
}

// of are the parameters of clients whom the job erases.
func (c clientParams) of(job string) clientParams {
	c.job = job
	return c
}

func (c clientParams) value(a plan.Arg) (any, error) {
	switch {
	case a.Kind == plan.ArgKeys:
		return c.keys, nil
	case a.Kind == plan.ArgJob && c.job != "":
		return c.job, nil
	}
	return c.tenantParams.value(a)
}

// lawParams are for the statement that reads which law applies to a tenant.
type lawParams struct {
	tenantParams
	now *time.Time // nil: the database's clock says
}

func (l lawParams) value(a plan.Arg) (any, error) {
	if a.Kind == plan.ArgNow {
		return l.now, nil
	}
	return l.tenantParams.value(a)
}

// selectionParams are for the statement that lists a selection's candidates.
type selectionParams struct {
	tenantParams
	cutoff time.Time
	law    *jobs.Law // nil unless the plan needs it
}

func (s selectionParams) value(a plan.Arg) (any, error) {
	switch a.Kind {
	case plan.ArgCutoff:
		return s.cutoff, nil
	case plan.ArgActivityZone:
		return activityZone(s.law)
	case plan.ArgOverride:
		return []string{}, nil // a preview shows every guard that holds
	}
	return s.tenantParams.value(a)
}

// profileParams are for the statement that inserts an anonymous profile.
type profileParams struct {
	tenantParams
	labels labels
	slot   int
}

func forProfile(p *plan.Plan, c *jobs.Claim, slot int) profileParams {
	return profileParams{forTenant(p, c.TenantID), labels{p.Map, c.Terms.Locale}, slot}
}

func (f profileParams) value(a plan.Arg) (any, error) {
	switch a.Kind {
	case plan.ArgSlot:
		return f.slot, nil
	case plan.ArgLabel:
		return f.labels.text(a), nil
	}
	return f.tenantParams.value(a)
}

// profileCountParams are for statements that count how many profiles some
// clients need, beside those that their lane has.
type profileCountParams struct {
	clientParams
	profiles []string
}

func (n profileCountParams) value(a plan.Arg) (any, error) {
	if a.Kind == plan.ArgProfiles {
		return n.profiles, nil
	}
	return n.clientParams.value(a)
}

// jobProfileParams are for statements that count how many profiles the clients need
// that a job has left.
type jobProfileParams struct {
	profileCountParams
	job string
}

func (j jobProfileParams) value(a plan.Arg) (any, error) {
	if a.Kind == plan.ArgJob {
		return j.job, nil
	}
	return j.profileCountParams.value(a)
}

// judgeParams are for statements that lock a chunk's clients and evaluate their
// guards.
type judgeParams struct {
	clientParams
	terms     jobs.Terms
	retention retention
}

func (j judgeParams) value(a plan.Arg) (any, error) {
	switch a.Kind {
	case plan.ArgCutoff:
		return j.terms.Cutoff, nil
	case plan.ArgListed:
		return j.terms.Listed, nil
	case plan.ArgActivities:
		return list(j.terms.Activities), nil
	case plan.ArgOverride:
		return list(j.terms.Override), nil
	case plan.ArgActivityZone:
		return activityZone(j.terms.Law)
	case plan.ArgTimeZone, plan.ArgFirstKept:
		return j.retention.value(a)
	}
	return j.clientParams.value(a)
}

// writeParams are for statements that erase clients, or rows that refer to
// them.
type writeParams struct {
	clientParams
	labels    labels
	retention retention
	profile   string              // key of the tenant's shared anonymous profile
	profiles  []string            // keys of the lane's profiles, by slot
	owned     map[string][]string // what the clients' rows point to, by column
}

func (w writeParams) value(a plan.Arg) (any, error) {
	switch a.Kind {
	case plan.ArgLabel:
		return w.labels.text(a), nil
	case plan.ArgTimeZone, plan.ArgFirstKept:
		return w.retention.value(a)
	case plan.ArgProfile:
		return w.profile, nil
	case plan.ArgProfiles:
		return w.profiles, nil
	case plan.ArgOwned:
		if keys, known := w.owned[a.Text]; known {
			return keys, nil
		}
		return nil, errNoValue
	}
	return w.clientParams.value(a)
}

// capturedParams are those of writing a chunk, and the rows that it remembers.
type capturedParams struct {
	params
	rows captured
}

func (c capturedParams) value(a plan.Arg) (any, error) {
	if a.Kind == plan.ArgCaptured {
		return c.rows.column(a.Text)
	}
	return c.params.value(a)
}

// mergeParams are those of judging or writing a merge's source, and the target.
type mergeParams[P params] struct {
	source P
	target string
}

func (m mergeParams[P]) value(a plan.Arg) (any, error) {
	if a.Kind == plan.ArgTarget {
		return m.target, nil
	}
	return m.source.value(a)
}

// sweepParams are for statements about what is kept of a tenant's former
// clients. Their rows refer to the tenant's anonymous profiles, so these are
// the keys.
type sweepParams struct {
	clientParams
	labels    labels
	retention retention
}

func (s sweepParams) value(a plan.Arg) (any, error) {
	switch a.Kind {
	case plan.ArgLabel:
		return s.labels.text(a), nil
	case plan.ArgTimeZone, plan.ArgFirstKept:
		return s.retention.value(a)
	}
	return s.clientParams.value(a)
}

// sweepFindParams are for the statement that finds the next rows to clear.
type sweepFindParams struct {
	sweepParams
	after []*string // the row that was found last, part by part of its name; nil at first
}

func (s sweepFindParams) value(a plan.Arg) (any, error) {
	switch a.Kind {
	case plan.ArgAfter:
		return s.after[rowPart(a)], nil
	case plan.ArgLimit:
		return sweepFinds, nil
	}
	return s.sweepParams.value(a)
}

// sweepClearParams are for the statement that clears rows.
type sweepClearParams struct {
	sweepParams
	rows [][]string // their names, part by part
}

func (s sweepClearParams) value(a plan.Arg) (any, error) {
	if a.Kind == plan.ArgRows {
		return s.rows[rowPart(a)], nil
	}
	return s.sweepParams.value(a)
}

// labels are the map's labels in a tenant's language.
type labels struct {
	m      *erasuremap.Map
	locale string
}

func (l labels) text(a plan.Arg) string { return l.m.LabelText(a.Text, l.locale) }

// rowPart is the part of a row's name that a parameter stands for.
func rowPart(a plan.Arg) int {
	n, _ := strconv.Atoi(a.Text) // package plan wrote it
	return n
}
