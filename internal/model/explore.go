package model

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/oubli/oubli/jobs"
)

// Result is what Explore has found.
type Result struct {
	States, Steps int    // states reached, and steps between them
	Broken        string // the invariant that does not hold; "" when all do
	Trace         string // a shortest list of steps to the violation, one a line
	Cut           bool   // the limit was reached; further states were not visited
}

// node is a state that was reached, stored as the step that first led to it.
type node struct {
	from   int32
	action uint8
	a, b   uint8
}

// Explore visits the states that a Setup can reach, at most limit of them, until an
// invariant does not hold.
func Explore(setup Setup, limit int) Result {
	r, first := newRun(setup)
	first.canonical(setup.Workers)
	seeds := [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	// A state is identified by two hashes: among as many states as fit into memory,
	// no two have both hashes in common.
	digest := func(s *state) [2]uint64 {
		return [2]uint64{maphash.Comparable(seeds[0], *s), maphash.Comparable(seeds[1], *s)}
	}
	seen := map[[2]uint64]int32{digest(&first): 0}
	nodes := []node{{from: -1}}
	ends := []bool{r.ended(&first)}
	var own [][2]int32 // steps of the protocol's own, as pairs of states
	res := Result{}
	frontier := []state{first}
	at := int32(0)
	for len(frontier) > 0 {
		var next []state
		for i := range frontier {
			s := &frontier[i]
			n := 0
			done := r.successors(s, func(to *state, step node, outside bool) bool {
				n++
				res.Steps++
				broken := r.broken
				if broken == "" {
					broken = r.violated(to)
				}
				to.canonical(setup.Workers)
				key := digest(to)
				id, known := seen[key]
				if !known {
					if len(nodes) >= limit && broken == "" {
						res.Cut = true
						return true
					}
					id = int32(len(nodes))
					seen[key] = id
					step.from = at
					nodes = append(nodes, step)
					ends = append(ends, r.ended(to))
					next = append(next, *to)
				}
				if broken != "" {
					step.from = at
					res.Broken, res.Trace = broken, r.trace(append(path(nodes, at), step))
					return false
				}
				if !outside {
					own = append(own, [2]int32{at, id})
				}
				return true
			})
			if !done {
				res.States = len(nodes)
				return res
			}
			at++
		}
		frontier = next
	}
	res.States = len(nodes)
	if res.Cut {
		return res
	}
	if stuck := withoutEnd(own, ends); stuck >= 0 {
		res.Broken, res.Trace = CannotEnd, r.trace(path(nodes, stuck))
	}
	return res
}

// successors calls visit for each state to which one step leads, until visit
// returns false. Then it returns false too.
func (r *run) successors(s *state, visit func(to *state, step node, outside bool) bool) bool {
	scratch := *s
	for i := range actions {
		act := &actions[i]
		for a := range r.size(act.over[0], s) {
			for b := range r.size(act.over[1], s) {
				if !act.do(r, &scratch, a, b) {
					continue
				}
				goOn := visit(&scratch, node{action: uint8(i), a: uint8(a), b: uint8(b)}, act.outside)
				scratch, r.broken = *s, ""
				if !goOn {
					return false
				}
			}
		}
	}
	return true
}

// withoutEnd finds the first state from which the protocol's own steps cannot reach
// a state in which everything is done; -1 when there is none.
func withoutEnd(own [][2]int32, ends []bool) int32 {
	slices.SortFunc(own, func(a, b [2]int32) int { return int(a[1]) - int(b[1]) })
	begin := make([]int32, len(ends)+1) // of the steps that lead to each state
	for _, step := range own {
		begin[step[1]+1]++
	}
	for i := range ends {
		begin[i+1] += begin[i]
	}
	canEnd := slices.Clone(ends)
	var todo []int32
	for i, end := range ends {
		if end {
			todo = append(todo, int32(i))
		}
	}
	for len(todo) > 0 {
		to := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, step := range own[begin[to]:begin[to+1]] {
			if from := step[0]; !canEnd[from] {
				canEnd[from] = true
				todo = append(todo, from)
			}
		}
	}
	return int32(slices.Index(canEnd, false))
}

// path lists the steps from the first state to a reached one.
func path(nodes []node, to int32) (steps []node) {
	for n := to; nodes[n].from >= 0; n = nodes[n].from {
		steps = append(steps, nodes[n])
	}
	slices.Reverse(steps)
	return steps
}

// trace takes the steps again and says what each does. Workers keep their names,
// although their order in a state changes.
func (r *run) trace(steps []node) string {
	var out strings.Builder
	_, s := newRun(r.Setup)
	at := s.canonical(r.Workers) // the index of worker A, B, C in the state
	for n, step := range steps {
		act := &actions[step.action]
		fmt.Fprintf(&out, "%3d  %s", n+1, r.say(&s, act, int(step.a), int(step.b), at))
		if len(act.mirrors) > 0 {
			fmt.Fprintf(&out, "  [%s]", act.mirrors[0])
		}
		if !act.do(r, &s, int(step.a), int(step.b)) {
			panic("model: a step of the trace cannot be taken")
		}
		r.broken = ""
		to := s.canonical(r.Workers)
		for i := range r.Workers {
			at[i] = to[at[i]]
		}
		out.WriteByte('\n')
	}
	r.describe(&out, &s, at)
	return out.String()
}

// say fills in the text of an action that will be taken next.
func (r *run) say(s *state, act *action, a, b int, at [maxWorkers]int) string {
	task := -1
	var pairs []string
	for i, arg := range [2]int{a, b} {
		switch act.over[i] {
		case eachWorker:
			for name, place := range at[:r.Workers] {
				if place == arg {
					pairs = append(pairs, "{w}", "worker "+string(rune('A'+name)))
				}
			}
			if w := s.workers[arg]; w.doing != idle && w.doing != lookingAgain {
				task = int(w.task)
			}
		case eachTask:
			task = arg
		case eachJob:
			pairs = append(pairs, "{j}", fmt.Sprint(arg+1))
		case eachOrphan:
			if s.orphans[arg].doing != lookingAgain {
				task = int(s.orphans[arg].task)
			}
		case eachCommit:
			pairs = append(pairs, "{n}", fmt.Sprint(arg))
		}
	}
	if task >= 0 {
		pairs = append(pairs, "{t}", r.taskName(task))
	}
	return strings.NewReplacer(pairs...).Replace(act.says)
}

// describe prints the state of all jobs, tasks and workers.
func (r *run) describe(out *strings.Builder, s *state, at [maxWorkers]int) {
	for j := range r.Jobs {
		fmt.Fprintf(out, "     job %d of tenant %s: %s\n", j+1, r.Jobs[j].Tenant, s.db.jobs[j].state.is())
	}
	for t, f := range r.tasks {
		row := &s.db.tasks[t]
		fmt.Fprintf(out, "     %s: %s", r.taskName(t), row.state)
		if f.kind == jobs.MailTask {
			fmt.Fprintf(out, ", accepted %d times\n", s.sent[t])
		} else {
			fmt.Fprintf(out, ", lane %d, %d of %d clients, of whom %d erased\n", row.lane, row.position, f.keys, row.erased)
		}
	}
	for name := range r.Workers {
		switch w := &s.workers[at[name]]; {
		case w.doing == idle:
		case w.doing == lookingAgain:
			fmt.Fprintf(out, "     worker %c: second look at job %d, lane %d\n", 'A'+name, w.task+1, w.lane)
		case w.stale:
			fmt.Fprintf(out, "     worker %c: %s, %s, lane %d, by a claim that is not the latest\n",
				'A'+name, r.taskName(int(w.task)), w.doing, w.lane)
		default:
			fmt.Fprintf(out, "     worker %c: %s, %s, lane %d\n", 'A'+name, r.taskName(int(w.task)), w.doing, w.lane)
		}
	}
}

func (d doing) String() string {
	return [...]string{
		"idle", "no transaction open", "about to give it back", "does not know whether it is recorded",
		"task locked", "all locked and erased", "task done", "tasks read", "job locked",
		"SMTP dialogue", "mail accepted", "all locked and erased",
	}[d]
}
