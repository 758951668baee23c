package booking

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// generator generates a database, one chunk of clients at a time. All that it
// does depends only on its seed and on now.
type generator struct {
	rng     *rand.Rand
	source  *rand.PCG
	seed    uint64
	now     time.Time
	size    int // of a cohort
	clients int
	studios []*studio
	ids     [len(tables)]int64 // the last id of each table
	rows    rows
	sum     Summary

	cohort, cohorts int // the next cohort's number, and how many there will be
	done            int // clients generated
}

func newGenerator(o Options) *generator {
	source := rand.NewPCG(o.Seed, 0x6f75626c69)
	g := &generator{
		rng:     rand.New(source),
		source:  source,
		seed:    o.Seed,
		now:     o.Now.UTC().Truncate(time.Second),
		clients: o.Clients,
		// In a small database cohorts are small, so that every studio has some.
		size: max(1, min(cohortSize, o.Clients/(3*o.Studios))),
	}
	for left := o.Clients; left > 0; left -= g.chunkSize() {
		g.cohorts += g.cohortsOf(min(left, g.chunkSize()))
	}
	for n := range o.Studios {
		g.addStudio(n)
	}
	return g
}

// step is one of the steps in which a cohort or a client is generated.
type step uint64

const (
	cohortStep step = iota + 1
	clientStep
	classesStep
	historyStep
)

// reseed starts a new sequence of random numbers for a step of cohort or client
// n. How many numbers a step uses depends on now; with a sequence of its own, it
// cannot change the steps after it. So the database is nearly the same on another
// day.
func (g *generator) reseed(s step, n int64) { g.source.Seed(g.seed, uint64(s)<<56|uint64(n)) }

func (g *generator) chunkSize() int { return chunkCohorts * g.size }

func (g *generator) nextID(t table) int64 {
	g.ids[t]++
	return g.ids[t]
}

// add writes a row with the table's next id, and returns the id.
func (g *generator) add(t table, values ...any) int64 {
	id := g.nextID(t)
	g.put(t, id, values...)
	return id
}

func (g *generator) put(t table, id int64, values ...any) {
	row := make([]any, 0, 1+len(values))
	g.rows[t] = append(g.rows[t], append(append(row, id), values...))
}

func (g *generator) addStudio(n int) {
	at := countries[n%len(countries)]
	nth := n / len(countries)
	s := &studio{country: at, name: at.studios[nth%len(at.studios)]}
	if again := nth / len(at.studios); again > 0 {
		s.name = fmt.Sprintf("%s %d", s.name, again+1)
	}
	opened := g.now.Add(-history - 200*day)
	s.id = g.add(studios, s.name, at.code, at.locale, at.timezone, opened)
	for k, role := range []string{"owner", "manager", "trainer", "trainer"} {
		first, last := pick(g.rng, at.first), pick(g.rng, at.family)
		email := fmt.Sprintf("%s.%d@studio-%d.example", strings.ToLower(mailbox.Replace(first)), k, s.id)
		s.staff = append(s.staff, g.add(staff, s.id, first, last, email, role, opened))
	}
	for _, title := range at.services {
		g.add(services, s.id, title, 15*(2+g.rng.IntN(4)), int64(2500+500*g.rng.IntN(14)))
	}
	g.add(auditLog, opened, "Studio", s.id, "created", `{"plan": "professional"}`)
	g.studios = append(g.studios, s)
}

// nextChunk generates the next clients with all their rows, and returns the rows
// since the last call; they are valid until the next call. After the last chunk
// done is true, and there are no rows.
func (g *generator) nextChunk() (_ *rows, done bool, err error) {
	n := min(g.clients-g.done, g.chunkSize())
	if n == 0 {
		return nil, true, nil
	}
	if g.done > 0 {
		for t := range g.rows {
			g.rows[t] = g.rows[t][:0]
		}
	}
	cohorts := make([]*cohort, g.cohortsOf(n))
	for i := range cohorts {
		g.reseed(cohortStep, int64(g.cohort+i))
		cohorts[i] = g.newCohort(g.cohort+i, g.cohorts)
	}
	for i := range n {
		id := g.nextID(clients)
		g.reseed(clientStep, id)
		g.client(cohorts[i%len(cohorts)], id)
	}
	for i, c := range cohorts {
		g.reseed(classesStep, int64(g.cohort+i))
		g.classes(c)
		for _, p := range c.members {
			g.reseed(historyStep, p.id)
			g.appointments(p)
			g.invoices(p)
			if err := g.correspondence(p); err != nil {
				return nil, false, err
			}
		}
	}
	g.cohort += len(cohorts)
	g.done += n
	return &g.rows, false, nil
}
