package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/oubli/oubli/internal/ledger"
	"github.com/oubli/oubli/jobs"
)

// Store is the database that was restored.
type Store interface {
	BeginReplay(ctx context.Context, first, last int64) (id string, err error)
	LiveClients(ctx context.Context, tenant string, keys []string) (map[string]string, error)
	RaiseKeys(ctx context.Context, keys []string) error
	InsertReplay(ctx context.Context, replay string, part jobs.ReplayPart) (id string, err error)
	OpenReplayJobs(ctx context.Context, replay string) ([]string, error)
	Replayed(ctx context.Context, replay string, f func(tenant, key, code string)) error
	ReportReplay(ctx context.Context, r jobs.ReplayReport) error
	EndReplay(ctx context.Context, replay string, objects []jobs.LedgerObject) error
}

// Options say what to replay, and how.
type Options struct {
	Store   Store
	Unknown ledger.Unknown // what the database does not know
	Secret  []byte         // of the fingerprints
	DryRun  bool           // only say who is back
	// Until leaves out objects that were written later; zero: none. The database then
	// stays as it is: it is not as new as the ledger.
	Until time.Time
	// Release lets the service go on although something is left.
	Release bool
	// Wake is called when there are new jobs.
	Wake func()
	// Progress is called with how many jobs are open.
	Progress func(open int)
}

// pollInterval is the time between two looks whether the jobs have ended.
const pollInterval = 200 * time.Millisecond

// mostKeys is how many clients one job has at most, as a request.
const mostKeys = jobs.MaxClients

// mostLeft is how many clients a report names at most.
const mostLeft = 1000

// replay is one run.
type replay struct {
	Options
	id     string
	all    []*batch
	people map[person]*known
}

// Run replays. It may be interrupted at any moment and run again. Released says that
// the service goes on.
func Run(ctx context.Context, o Options) (report jobs.ReplayReport, released bool, err error) {
	o.Unknown = until(o.Unknown, o.Until)
	all := gather(o.Unknown)
	r := &replay{Options: o, all: all, people: people(all)}
	if o.DryRun {
		report, err = r.report(ctx)
		return report, false, err
	}
	if err := r.Store.RaiseKeys(ctx, r.surely()); err != nil {
		return report, false, err
	}
	last := firstOf(o.Unknown) - 1
	if n := len(o.Unknown.Objects); n > 0 {
		last = o.Unknown.Objects[n-1].Sequence
	}
	if r.id, err = r.Store.BeginReplay(ctx, min(firstOf(o.Unknown), last), last); err != nil {
		return report, false, err
	}
	if err := errors.Join(r.wait(ctx), r.repeat(ctx)); err != nil {
		return report, false, err
	}
	if report, err = r.report(ctx); err != nil {
		return report, false, err
	}
	if err := r.Store.ReportReplay(ctx, report); err != nil {
		return report, false, err
	}
	left := report.InDoubt + report.Refused + len(o.Unknown.Missing)
	if !o.Until.IsZero() || left > 0 && !o.Release {
		return report, false, nil
	}
	return report, true, r.Store.EndReplay(ctx, r.id, o.Unknown.Known)
}

// until leaves out later objects.
func until(u ledger.Unknown, t time.Time) ledger.Unknown {
	if t.IsZero() {
		return u
	}
	u.Objects = slices.DeleteFunc(slices.Clone(u.Objects), func(o ledger.Object) bool { return o.WrittenAt.After(t) })
	return u
}

// surely lists the keys of clients who were there.
func (r *replay) surely() (keys []string) {
	for p, k := range r.people {
		if k.sure || len(k.prints) > 0 {
			keys = append(keys, p.key)
		}
	}
	return keys
}

// repeat erases and merges again, in the order of the ledger: who was merged into a
// client who was erased later is merged first.
func (r *replay) repeat(ctx context.Context) error {
	var erasures []*batch
	for _, b := range r.all {
		if b.intent.Merge == nil {
			erasures = append(erasures, b)
			continue
		}
		if err := errors.Join(r.erase(ctx, erasures), r.merge(ctx, b)); err != nil {
			return err
		}
		erasures = nil
	}
	return r.erase(ctx, erasures)
}

// part says which clients go into one job.
type part struct {
	tenant string
	alone  *batch // in a job of its own: without an outcome, or without fingerprints
}

// erase erases the clients of batches again who are back.
func (r *replay) erase(ctx context.Context, all []*batch) error {
	parts, terms := map[part][]string{}, map[part]jobs.Terms{}
	done := map[person]bool{}
	for _, b := range all {
		back, err := r.back(ctx, b)
		if err != nil {
			return err
		}
		p := part{tenant: b.intent.Tenant}
		if b.outcome == nil || b.intent.Late {
			p.alone = b
		}
		for _, key := range back {
			who := person{p.tenant, key}
			if done[who] || b.outcome == nil && r.people[who].sure { // another batch says for sure
				continue
			}
			done[who] = true
			parts[p] = append(parts[p], key)
		}
		terms[p] = termsOf(b)
	}
	for p, keys := range parts {
		slices.Sort(keys)
		for some := range slices.Chunk(keys, mostKeys) {
			job := jobs.ReplayPart{TenantID: p.tenant, Keys: some, Doubt: p.alone != nil && p.alone.outcome == nil, Terms: terms[p]}
			if _, err := r.Store.InsertReplay(ctx, r.id, job); err != nil {
				return err
			}
		}
	}
	return r.wait(ctx)
}

// merge merges the sources of a merge again who are back.
func (r *replay) merge(ctx context.Context, b *batch) error {
	back, err := r.back(ctx, b)
	if err != nil || len(back) == 0 {
		return err
	}
	if _, err := r.Store.InsertReplay(ctx, r.id, jobs.ReplayPart{
		TenantID: b.intent.Tenant, Keys: back, Doubt: b.outcome == nil, Terms: termsOf(b),
	}); err != nil {
		return err
	}
	return r.wait(ctx)
}

func termsOf(b *batch) jobs.Terms {
	i := b.intent
	t := jobs.Terms{Cutoff: i.Cutoff, Activities: i.Activities, Override: i.Override, Country: i.Country, Locale: i.Locale, Merge: i.Merge}
	if i.Late && i.Listed != nil {
		t.Listed = *i.Listed
	}
	return t
}

// back lists clients of a batch who are in the database and are those that the ledger
// means.
func (r *replay) back(ctx context.Context, b *batch) (keys []string, err error) {
	live, err := r.Store.LiveClients(ctx, b.intent.Tenant, b.keys())
	for _, key := range b.keys() {
		p := person{b.intent.Tenant, key}
		if created, is := live[key]; is && r.people[p].is(r.Secret, p, created) {
			keys = append(keys, key)
		}
	}
	return keys, err
}

// wait waits until the jobs of the replay have ended.
func (r *replay) wait(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	r.Wake()
	for {
		open, err := r.Store.OpenReplayJobs(ctx, r.id)
		if err != nil || len(open) == 0 {
			return err
		}
		r.Progress(len(open))
		select {
		case <-ctx.Done():
			return fmt.Errorf("interrupted with %d jobs open; run oubli replay again to go on: %w", len(open), ctx.Err())
		case <-tick.C:
		}
	}
}

// report says what became of each client, by what is in the database now.
func (r *replay) report(ctx context.Context) (jobs.ReplayReport, error) {
	report := jobs.ReplayReport{ID: r.id}
	if n := len(r.Unknown.Objects); n > 0 {
		report.First, report.Last = r.Unknown.Objects[0].Sequence, r.Unknown.Objects[n-1].Sequence
	}
	codes := map[person]string{}
	if r.id != "" {
		if err := r.Store.Replayed(ctx, r.id, func(tenant, key, code string) { codes[person{tenant, key}] = code }); err != nil {
			return report, err
		}
	}
	byTenant := map[string][]string{}
	for p := range r.people {
		byTenant[p.tenant] = append(byTenant[p.tenant], p.key)
	}
	for _, tenant := range slices.Sorted(maps.Keys(byTenant)) {
		keys := byTenant[tenant]
		slices.Sort(keys)
		live, err := r.Store.LiveClients(ctx, tenant, keys)
		if err != nil {
			return report, err
		}
		for _, key := range keys {
			p := person{tenant, key}
			created, is := live[key]
			code, tried := codes[p]
			state := r.state(p, is, created, tried, code)
			report.Add(state, 1)
			isLeft := state == jobs.ReplayInDoubt || state == jobs.ReplayRefused || state == jobs.ReplayBack
			if isLeft && len(report.Left) < mostLeft {
				report.Left = append(report.Left, jobs.ReplayLeft{
					TenantID: tenant, ClientID: key, Outcome: string(state), Code: cmp.Or(code, "not_tried"),
				})
			}
		}
	}
	return report, nil
}

// state is what became of one client.
func (r *replay) state(p person, live bool, created string, tried bool, code string) jobs.ReplayState {
	k := r.people[p]
	done := tried && code == ""
	switch {
	case live && !k.is(r.Secret, p, created):
		return jobs.ReplayKeyReused
	case done && (!live || k.stays):
		return jobs.ReplayErased
	case !live:
		return jobs.ReplayAbsent
	case r.DryRun:
		return jobs.ReplayBack
	case code == jobs.CodeKeyReused:
		return jobs.ReplayKeyReused
	case !k.sure:
		return jobs.ReplayInDoubt
	}
	return jobs.ReplayRefused
}
