package booking

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// studio is a studio while its clients are generated.
type studio struct {
	id       int64
	name     string
	country  *country
	staff    []int64
	clients  int64
	invoices int // the number of the last invoice
}

// person is a client while their rows are generated.
type person struct {
	id          int64
	studio      *studio
	marker      string
	first, last string
	email       any // string, or nil for none
	phone       any
	street      string
	city        city
	addressID   any  // int64, or nil for none
	household   bool // the address is shared
	created     time.Time
	seen        time.Time // last appointment
	inactive    bool
	owesInvoice bool
	classes     []class
}

// class is a participation that a line of an invoice may refer to.
type class struct {
	id    int64
	title string
	price int64
}

func (p *person) name() string { return p.first + " " + p.last }

// phrase returns one of the phrases, with the client's surname.
func (p *person) phrase(r *rand.Rand, of []string) string {
	return strings.Replace(pick(r, of), "%s", p.last, 1)
}

// sometimes returns a phrase with a probability of this many per cent, otherwise
// NULL.
func (p *person) sometimes(r *rand.Rand, percent float64, of []string) any {
	if !chance(r, percent) {
		return nil
	}
	return p.phrase(r, of)
}

// client generates one more client of the cohort and writes the client's row and
// address. The client's other rows are written when the cohort is complete.
func (g *generator) client(c *cohort, id int64) {
	r, at := g.rng, c.studio.country
	p := &person{id: id, studio: c.studio, marker: Marker(id), first: pick(r, at.first)}
	family := pick(r, at.family)
	p.last = surname(family, p.marker)
	if chance(r, 94) {
		local := mailbox.Replace(p.first + "." + p.last)
		p.email = strings.ToLower(local) + "@" + pick(r, []string{"example.org", "example.com", "example.net", "mail.example"})
	}
	if chance(r, 85) {
		p.phone = at.phone(r) + " " + extension(id)
	}
	p.created = between(r, c.joined.Add(-180*day), c.joined)
	g.lastSeen(c, p)
	g.address(c, p)

	var birth, referrer, group any
	if chance(r, 70) {
		birth = g.now.Truncate(day).AddDate(-16-r.IntN(60), 0, -r.IntN(365))
	}
	if n := len(c.members); n > 0 && chance(r, 6) {
		referrer = c.members[r.IntN(n)].id
	}
	if chance(r, 20) {
		group = pick(r, at.classes)
	}
	var balance int64
	if chance(r, 2) {
		balance = int64(100 * (1 + r.IntN(90)))
		if chance(r, 70) {
			balance = -balance
		}
		g.sum.UnpaidBalance++
	}
	hold := chance(r, 1)
	if hold {
		g.sum.LegalHold++
	}
	g.put(clients, id, c.studio.id, p.first, p.last, p.email, p.phone, birth, p.addressID,
		p.sometimes(r, 15, at.phrases.profile), group, balance, hold, referrer, p.created, p.seen)
	c.members = append(c.members, p)
	c.studio.clients++
}

// lastSeen decides whether the client is inactive, and since when. The last
// appointment is never before the end of the cohort's first classes: an inactive
// client has no class after the last appointment.
func (g *generator) lastSeen(c *cohort, p *person) {
	r := g.rng
	first := c.firstClassesEnd(g.now)
	if last := g.now.Add(-inactiveFor); first.Before(last) && chance(r, 46) {
		p.inactive = true
		p.seen = businessHour(r, between(r, first, last))
		g.sum.Inactive++
		return
	}
	p.seen = businessHour(r, between(r, later(first, g.now.Add(-355*day)), g.now.Add(-day)))
}

// address gives most clients an address of their own, and some the address of a
// household, which must stay as long as one of its members does. The street of a
// household contains no marker, because it stays when one member is erased.
func (g *generator) address(c *cohort, p *person) {
	r, at := g.rng, c.studio.country
	if n := len(c.members); n > 0 && c.members[n-1].household && chance(r, 75) {
		q := c.members[n-1]
		p.street, p.city, p.addressID, p.household = q.street, q.city, q.addressID, true
		return
	}
	if !chance(r, 60) {
		return
	}
	named := p.marker
	if chance(r, 6) {
		p.household, named = true, pick(r, []string{"magnolia", "aurora", "orion", "bellevue"})
	}
	p.street, p.city = at.street(r, named), pick(r, at.cities)
	p.addressID = g.add(addresses, p.street, p.city.postal, p.city.name, at.code)
}

// appointments writes the client's appointments and membership.
func (g *generator) appointments(p *person) {
	r, at := g.rng, p.studio.country
	n := 1 + r.IntN(15)
	if p.inactive && chance(r, 3) {
		n = 0 // attended only classes
	}
	for k := range n {
		when := p.seen
		if k > 0 {
			when = businessHour(r, between(r, p.created, p.seen.Add(-day)))
		}
		status := "completed"
		switch {
		case chance(r, 10):
			status = "cancelled"
		case chance(r, 8):
			status = "no_show"
		}
		g.appointment(p, when, status)
	}
	if !p.inactive && chance(r, 10) {
		g.sum.FutureAppointment++
		for range 1 + r.IntN(2) {
			g.appointment(p, businessHour(r, between(r, g.now.Add(2*day), g.now.Add(44*day))), "booked")
		}
	}
	if n > 0 && chance(r, 15) {
		starts := p.created.Truncate(day)
		var ends any
		if p.inactive {
			ends = p.seen.Truncate(day)
		}
		g.add(memberships, p.id, at.phrases.membership, "M-"+strings.ToUpper(p.marker), starts, ends, int64(2900+500*r.IntN(9)))
	}
}

func (g *generator) appointment(p *person, when time.Time, status string) {
	r, at := g.rng, p.studio.country
	g.add(appointments, p.studio.id, p.id, when, status, pick(r, at.services), p.name(),
		int64(2500+500*r.IntN(14)), p.sometimes(r, 20, at.phrases.appointment))
}

// invoices writes the client's invoices. A line is for a class or for a service.
func (g *generator) invoices(p *person) {
	r := g.rng
	n := r.IntN(5)
	if chance(r, 1.5) {
		n, p.owesInvoice = max(n, 1), true
		g.sum.OpenInvoice++
	}
	var postal any
	if p.addressID != nil {
		postal = p.street + ", " + p.city.postal + " " + p.city.name
	}
	for k := range n {
		issued := between(r, p.created, p.seen)
		status := "paid"
		switch {
		case p.owesInvoice && k == n-1:
			status = "open"
		case chance(r, 3):
			status = "void"
		}
		p.studio.invoices++
		number := fmt.Sprintf("%d-%06d", issued.Year(), p.studio.invoices)
		g.invoice(p, k, []any{number, issued.Truncate(day), status}, postal)
	}
}

func (g *generator) invoice(p *person, k int, head []any, postal any) {
	r := g.rng
	id := g.nextID(invoices)
	var total int64
	for l := range 1 + r.IntN(2) {
		var link any
		text, amount := pick(r, p.studio.country.services), int64(2500+500*r.IntN(14))
		if l == 0 && k < len(p.classes) {
			link, text, amount = p.classes[k].id, p.classes[k].title, p.classes[k].price
		}
		g.add(invoiceLines, id, link, text, amount)
		total += amount
	}
	row := append([]any{p.studio.id, p.id}, head...)
	g.put(invoices, id, append(row, total, p.name(), postal, p.email)...)
}
