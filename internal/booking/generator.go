package booking

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// generator makes up a database, a stretch of clients at a time. Everything it
// does is decided by its seed and by now.
type generator struct {
	rng     *rand.Rand
	source  *rand.PCG
	seed    uint64
	now     time.Time
	size    int // of a cohort
	clients int
	studios []*studio
	ids     [len(tables)]int64 // the last one given out
	rows    rows
	sum     Summary

	cohort, cohorts int // the next one's number, and how many there will be
	done            int // clients made up
}

func newGenerator(o Options) *generator {
	source := rand.NewPCG(o.Seed, 0x6f75626c69)
	g := &generator{
		rng:     rand.New(source),
		source:  source,
		seed:    o.Seed,
		now:     o.Now.UTC().Truncate(time.Second),
		clients: o.Clients,
		// Small databases get small cohorts, so that every studio has some.
		size: max(1, min(cohortSize, o.Clients/(3*o.Studios))),
	}
	for left := o.Clients; left > 0; left -= g.waveSize() {
		g.cohorts += g.cohortsOf(min(left, g.waveSize()))
	}
	for n := range o.Studios {
		g.openStudio(n)
	}
	return g
}

// chapter is one of the things that are made up about a cohort or a client.
type chapter uint64

const (
	opening chapter = iota + 1
	joining
	attending
	living
)

// begin lets chance start anew for a chapter about number n. What one of them
// takes from chance, which depends on now, then changes nothing for the others:
// another day gives much the same database.
func (g *generator) begin(c chapter, n int64) { g.source.Seed(g.seed, uint64(c)<<56|uint64(n)) }

func (g *generator) waveSize() int { return waveCohorts * g.size }

func (g *generator) nextID(t table) int64 {
	g.ids[t]++
	return g.ids[t]
}

// add writes a row under the table's next id, and returns that.
func (g *generator) add(t table, values ...any) int64 {
	id := g.nextID(t)
	g.put(t, id, values...)
	return id
}

func (g *generator) put(t table, id int64, values ...any) {
	row := make([]any, 0, 1+len(values))
	g.rows[t] = append(g.rows[t], append(append(row, id), values...))
}

func (g *generator) openStudio(n int) {
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

// wave makes up the next stretch of clients with all that belongs to them, and
// returns the rows since the last call; they are valid until the next one. At
// the end done is true, and there are no more rows.
func (g *generator) wave() (_ *rows, done bool, err error) {
	n := min(g.clients-g.done, g.waveSize())
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
		g.begin(opening, int64(g.cohort+i))
		cohorts[i] = g.open(g.cohort+i, g.cohorts)
	}
	for i := range n {
		id := g.nextID(clients)
		g.begin(joining, id)
		g.join(cohorts[i%len(cohorts)], id)
	}
	for i, c := range cohorts {
		g.begin(attending, int64(g.cohort+i))
		g.classes(c)
		for _, p := range c.members {
			g.begin(living, p.id)
			g.visits(p)
			g.bills(p)
			if err := g.correspondence(p); err != nil {
				return nil, false, err
			}
		}
	}
	g.cohort += len(cohorts)
	g.done += n
	return &g.rows, false, nil
}
