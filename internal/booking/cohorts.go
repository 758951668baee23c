package booking

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	day = 24 * time.Hour

	// cohortSize is how many clients join a studio at about the same time and
	// attend its classes together.
	cohortSize = 48
	// chunkCohorts is how many cohorts the ids of one chunk of clients alternate
	// between, so that consecutive ids belong to different studios, as in a real
	// database.
	chunkCohorts = 64

	// history is how long ago the first clients joined: long enough for some
	// invoices to be past any retention period.
	history = 12 * 365 * day
	// inactiveFor is the shortest time since an inactive client's last
	// appointment. It is a few days longer than a year, so that a demo does not
	// depend on the hour.
	inactiveFor = 372 * day
	// classSpan is the time during which a cohort attends its first classes.
	classSpan = 90 * day

	classMin, classMax = 6, 12
)

// cohort is a group of clients who joined one studio at about the same time.
// They share classes, and some of them become inactive: an erasure of those meets
// the unique key on session and client.
type cohort struct {
	studio  *studio
	joined  time.Time
	members []*person
}

// cohortsOf returns how many cohorts n clients are divided into.
func (g *generator) cohortsOf(n int) int { return (n + g.size - 1) / g.size }

// newCohort makes cohort number c of the total. Cohorts are in the order of
// joining; more of them are recent than old.
func (g *generator) newCohort(c, total int) *cohort {
	r := g.rng
	u := (float64(c) + r.Float64()) / float64(total)
	ago := 20*day + time.Duration(float64(history)*math.Pow(1-u, 1.3))
	// The first cohorts go to one studio each, so that every studio has clients.
	// The first studios get most of the others. The shares do not depend on the
	// seed.
	s := c
	if n := len(g.studios); c >= n {
		_, place := math.Modf(float64(c) * (math.Sqrt(5) - 1) / 2)
		s = min(n-1, int(float64(n)*(1-math.Sqrt(1-place))))
	}
	return &cohort{studio: g.studios[s], joined: g.now.Add(-ago)}
}

// firstClassesEnd is when the cohort's first classes are over.
func (c *cohort) firstClassesEnd(now time.Time) time.Time {
	return earlier(c.joined.Add(classSpan), now.Add(-day))
}

// classes makes the cohort's class sessions and participations: three rounds for
// all members soon after joining, and one or two for those who are still active,
// up to three weeks from now.
func (g *generator) classes(c *cohort) {
	var active []*person
	for _, p := range c.members {
		if !p.inactive {
			active = append(active, p)
		}
	}
	for range 3 {
		g.round(c, c.members, c.joined, c.firstClassesEnd(g.now))
	}
	from := later(c.joined, g.now.Add(-330*day))
	for range 1 + g.rng.IntN(2) {
		g.round(c, active, from, g.now.Add(21*day))
	}
}

// round divides people among sessions of classMin to classMax participants, as
// far as their number allows.
func (g *generator) round(c *cohort, people []*person, from, to time.Time) {
	r := g.rng
	n := len(people)
	fewest, most := (n+classMax-1)/classMax, n/classMin
	groups := fewest
	if most > fewest {
		groups += r.IntN(most - fewest + 1)
	}
	order := r.Perm(n)
	for k := range groups {
		title := pick(r, c.studio.country.classes)
		at := businessHour(r, between(r, from, to))
		price := int64(1000 + 100*r.IntN(16))
		session := g.add(classSessions, c.studio.id, pick(r, c.studio.staff), title, at, classMax)
		for _, i := range order[k*n/groups : (k+1)*n/groups] {
			g.participate(people[i], session, title, at, price)
		}
	}
}

func (g *generator) participate(p *person, session int64, title string, at time.Time, price int64) {
	r := g.rng
	status, paid := "attended", price
	switch {
	case at.After(g.now):
		status, paid = "booked", 0
	case chance(r, 8):
		status, paid = "cancelled", 0
	case chance(r, 6):
		status = "no_show"
	case chance(r, 25): // covered by a membership
		paid = 0
	}
	id := g.add(participations, session, p.id, status, price, paid,
		p.sometimes(r, 8, p.studio.country.phrases.comment))
	p.classes = append(p.classes, class{id: id, title: title, price: price})
}

func between(r *rand.Rand, from, to time.Time) time.Time {
	if !to.After(from) {
		return from
	}
	return from.Add(time.Duration(r.Int64N(int64(to.Sub(from))))).Truncate(time.Second)
}

// businessHour returns a random quarter of an hour in a studio's opening hours on
// the same day (UTC).
func businessHour(r *rand.Rand, t time.Time) time.Time {
	return t.Truncate(day).Add(7*time.Hour + time.Duration(r.IntN(44))*15*time.Minute)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
