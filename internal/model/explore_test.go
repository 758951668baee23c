package model

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"

	"github.com/oubli/oubli/jobs"
)

var large = flag.Bool("large", false, "explore the large setups too: minutes, and some gigabytes of memory")

func erasure(tenant string, mails int, batches ...[]int) Job {
	return Job{Kind: jobs.Erasure, Tenant: tenant, Queue: jobs.Bulk, Batches: batches, Mails: mails}
}

func small(j Job) Job {
	j.Queue = jobs.Interactive
	return j
}

func merge(tenant string, sources ...int) Job {
	return Job{Kind: jobs.Merge, Tenant: tenant, Queue: jobs.Interactive, Batches: [][]int{sources}}
}

func faults(n int, kinds ...faultKind) (all [faultKinds]int) {
	for _, k := range kinds {
		all[k] = n
	}
	return all
}

// Each setup tries some of the faults and features together. All of them at once
// would have too many states.
var setups = map[string]Setup{
	"two batches end at the same moment": {
		Jobs: []Job{erasure("a", 1, []int{0}, []int{1})}, Workers: 2, Lanes: 2,
		Faults: faults(1, workerDies, leaseRunsOut, commitBreaks)},
	"several workers claim one batch": {
		Jobs: []Job{erasure("a", 1, []int{0, 1})}, Workers: 2, Lanes: 2, NoQueues: true,
		Faults: faults(1, workerDies, leaseRunsOut, commitBreaks, processStops, hintRepeats)},
	"the database server crashes": {
		Jobs: []Job{erasure("a", 1, []int{0, 1, 2})}, Workers: 2, Lanes: 2,
		Faults: faults(1, serverCrashes, leaseRunsOut, processStops, commitBreaks)},
	"two jobs want the same client": {
		Jobs: []Job{erasure("a", 0, []int{0, 1}), erasure("a", 0, []int{1, 2})}, Workers: 2, Lanes: 2,
		Faults: faults(1, workerDies, leaseRunsOut)},
	"two tokens, and no tenant column": {
		Jobs: []Job{erasure("a", 0, []int{0, 1}), erasure("b", 0, []int{2})}, NoTenantColumn: true, Workers: 2, Lanes: 2,
		Faults: faults(1, workerDies, leaseRunsOut, processStops)},
	"a merge beside two batches": {
		Jobs: []Job{erasure("a", 0, []int{0}, []int{3}), merge("a", 1, 2)}, Workers: 3, Lanes: 2,
		Faults: faults(1, leaseRunsOut)},
	"second looks beside a merge": {
		Jobs: []Job{erasure("a", 0, []int{0}), erasure("a", 0, []int{1}), merge("a", 2)}, SecondLooks: true, Workers: 3, Lanes: 2,
		Faults: faults(1, leaseRunsOut)},
	"operators pause, block and cancel": {
		Jobs: []Job{erasure("a", 1, []int{0}, []int{1})}, Workers: 2, Lanes: 2,
		Faults: faults(1, jobPauses, jobBlocks, jobCancelled, workerDies)},
	"one worker, two tenants, and Redis loses hints": {
		Jobs: []Job{erasure("a", 1, []int{0, 1}), small(erasure("b", 0, []int{2}))}, Workers: 1, Lanes: 1,
		Faults: faults(1, hintsLost, hintRepeats, workerDies)},
	"a small job waits for the lane of a big one": {
		Jobs: []Job{erasure("a", 0, []int{0, 1}), small(erasure("a", 0, []int{2}))}, Workers: 2, Lanes: 1,
		Faults: faults(1, hintsLost, leaseRunsOut)},
	"a mail is recorded or sent again": {
		Jobs: []Job{erasure("a", 1, []int{0})}, Workers: 3, Lanes: 1,
		Faults: faults(2, workerDies, leaseRunsOut, processStops, commitBreaks)},
}

var largeSetups = map[string]Setup{
	"two batches end at the same moment, with twice the faults": {
		Jobs: []Job{erasure("a", 1, []int{0, 1}, []int{2})}, Workers: 3, Lanes: 2,
		Faults: faults(2, workerDies, leaseRunsOut, commitBreaks)},
	"the database server crashes twice": {
		Jobs: []Job{erasure("a", 1, []int{0, 1}, []int{2, 3})}, Workers: 2, Lanes: 2,
		Faults: faults(2, serverCrashes, leaseRunsOut)},
	"two tokens, no tenant column, merge and second looks": {
		Jobs:           []Job{erasure("a", 0, []int{0, 1}), erasure("b", 0, []int{2}), merge("b", 3)},
		NoTenantColumn: true, SecondLooks: true, Workers: 3, Lanes: 2,
		Faults: faults(1, workerDies, leaseRunsOut)},
	"all faults happen to one batch": {
		Jobs: []Job{erasure("a", 1, []int{0, 1})}, Workers: 2, Lanes: 2, NoQueues: true,
		Faults: faults(1, workerDies, leaseRunsOut, processStops, commitBreaks, serverCrashes,
			hintsLost, hintRepeats, jobPauses, jobBlocks, jobCancelled)},
}

func TestTheProtocolKeepsItsInvariants(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			holds(t, setup, 1_000_000)
		})
	}
}

func TestTheProtocolKeepsItsInvariantsAtLargeSize(t *testing.T) {
	if !*large {
		t.Skip("make model explores these")
	}
	for name, setup := range largeSetups { // one after the other: each takes a lot of memory
		t.Run(name, func(t *testing.T) { holds(t, setup, 30_000_000) })
	}
}

func holds(t *testing.T, setup Setup, limit int) {
	t.Helper()
	res := Explore(setup, limit)
	switch {
	case res.Broken != "":
		t.Errorf("%s:\n%s", res.Broken, res.Trace)
	case res.Cut:
		t.Errorf("more than %d states: make the setup smaller, or the limit larger", limit)
	}
	t.Logf("%d states, %d steps between them", res.States, res.Steps)
}

// Each control removes one protection. If the model found no violation then, it
// would prove nothing when it finds none in the protocol.
func TestTheModelFindsAViolationWhenAProtectionIsRemoved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		setup   string
		without Without
		broken  []string
	}{
		"without the fence":                         {"several workers claim one batch", Without{Fence: true}, []string{StaleCommit}},
		"when the fence does not compare positions": {"the database server crashes", Without{Position: true}, []string{WrongOutcome, WrongSum}},
		"with lanes of the token's tenant": {
			"two tokens, and no tenant column", Without{LaneOfProfile: true, LaneLock: true}, []string{SharedProfile}},
		"with second looks in the first lane":      {"second looks beside a merge", Without{LookLock: true}, []string{SharedProfile}},
		"without the tenant's lock":                {"a merge beside two batches", Without{TenantLock: true}, []string{SharedProfile}},
		"when one statement waits and reads tasks": {"two batches end at the same moment", Without{SeparateCheck: true}, []string{NotEnded}},
		"when no commit waits for the disk":        {"the database server crashes", Without{Durable: true}, []string{MailEarly}},
		"without the mail's fence":                 {"a mail is recorded or sent again", Without{MailFence: true}, []string{MailTooMany}},
		"when lost hints are not sent again": {
			"one worker, two tenants, and Redis loses hints", Without{Resend: true}, []string{CannotEnd}},
		"when tasks without a lease stay claimed": {"several workers claim one batch", Without{Recover: true}, []string{CannotEnd}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			setup := setups[c.setup]
			setup.Without = c.without
			res := Explore(setup, 1_000_000)
			if !slices.Contains(c.broken, res.Broken) {
				t.Fatalf("found %q, want one of %q\n%s", res.Broken, c.broken, res.Trace)
			}
			t.Logf("%s:\n%s", res.Broken, res.Trace)
		})
	}
}

// Lanes are for speed and the lock is for safety: if two tasks have the same lane,
// their chunks wait for each other, and nothing else happens.
func TestLanesAloneAndTheirLocksAloneKeepProfilesApart(t *testing.T) {
	t.Parallel()
	for _, without := range []Without{{LaneOfProfile: true}, {LaneLock: true}} {
		setup := setups["two tokens, and no tenant column"]
		setup.Without = without
		holds(t, setup, 1_000_000)
	}
}

// notTaken are the steps that exist only without a protection, and one that repeats
// what other transactions have already done.
var notTaken = []string{
	"{w} reads the tasks in the statement that ends the job of {t}",
	"{w} commits {t} and, if it saw no open task, the end of its job",
	"job {j}, none of whose tasks is open, is ended",
}

func TestEveryActionIsTaken(t *testing.T) {
	t.Parallel()
	taken := map[string]bool{}
	for _, setup := range setups {
		r, first := newRun(setup)
		seen, todo := map[state]bool{first: true}, []state{first}
		for len(todo) > 0 && len(seen) < 5_000 {
			s := todo[0]
			todo = todo[1:]
			r.successors(&s, func(to *state, step node, _ bool) bool {
				taken[actions[step.action].says] = true
				to.canonical(setup.Workers)
				if !seen[*to] {
					seen[*to] = true
					todo = append(todo, *to)
				}
				return true
			})
		}
	}
	for _, act := range actions {
		if taken[act.says] == slices.Contains(notTaken, act.says) {
			t.Errorf("%q: taken by a setup: %t, want %t", act.says, taken[act.says], !taken[act.says])
		}
	}
}

// TestWhatTheModelMirrorsExists fails when a function or a statement that the model
// mirrors is renamed or removed. If you change one, check whether the model has to
// change too.
func TestWhatTheModelMirrorsExists(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	for _, dir := range []string{"../../repository", "../../worker", "../backlog"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				for _, name := range names(d) {
					declared[name] = true
				}
			}
		}
	}
	for _, act := range actions {
		for _, name := range act.mirrors {
			if !declared[name] {
				t.Errorf("%q mirrors %s, which no package declares", act.says, name)
			}
		}
	}
}

// names returns the names of functions, of methods as Type.Method, and of constants.
func names(d ast.Decl) (all []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			of := d.Recv.List[0].Type
			if star, ok := of.(*ast.StarExpr); ok {
				of = star.X
			}
			if generic, ok := of.(*ast.IndexExpr); ok {
				of = generic.X
			}
			name = of.(*ast.Ident).Name + "." + name
		}
		all = append(all, name)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if v, ok := spec.(*ast.ValueSpec); ok {
				for _, id := range v.Names {
					all = append(all, id.Name)
				}
			}
		}
	}
	return all
}
