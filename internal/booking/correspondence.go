package booking

import (
	"encoding/json"
	"strings"
	"time"
)

// messageMonths is how many months messages are kept, and so how many monthly
// partitions there are before the current one.
const messageMonths = 24

// correspondence writes the client's notes, messages, consents and audit log.
func (g *generator) correspondence(p *person) error {
	r, say := g.rng, &p.studio.country.phrases
	for range r.IntN(3) {
		g.add(clientNotes, p.id, pick(r, p.studio.staff), p.phrase(r, say.note), between(r, p.created, p.seen))
	}
	from := later(p.created, firstMessage(g.now))
	for range r.IntN(3) {
		g.message(p, between(r, from, g.now))
	}
	for _, kind := range []struct {
		name    string
		percent float64
	}{{"terms", 70}, {"newsletter", 25}, {"photos", 5}} {
		if !chance(r, kind.percent) {
			continue
		}
		var revoked any
		if p.inactive && kind.name == "newsletter" && chance(r, 20) {
			revoked = p.seen
		}
		g.add(consents, p.id, kind.name, p.created, revoked, address(p.id), strings.Replace(say.terms, "%s", p.name(), 1))
	}
	return g.audit(p)
}

func (g *generator) message(p *person, at time.Time) {
	r, say := g.rng, &p.studio.country.phrases
	body := strings.Replace(pick(r, say.greeting), "%s", p.name(), 1)
	switch {
	case p.email != nil:
		g.add(messages, p.id, at, "email", p.email, pick(r, say.subject), body)
	case p.phone != nil:
		g.add(messages, p.id, at, "sms", p.phone, nil, body)
	}
}

// audit writes rows of the audit log, which have personal data in JSON and refer
// to the client only by a type and a number.
func (g *generator) audit(p *person) error {
	type change struct {
		From any `json:"from"`
		To   any `json:"to"`
	}
	entry := func(at time.Time, action string, data any) error {
		text, err := json.Marshal(data)
		if err != nil {
			return err
		}
		g.add(auditLog, at, "Client", p.id, action, string(text))
		return nil
	}
	r := g.rng
	if chance(r, 75) {
		if err := entry(p.created, "created", map[string]any{"name": p.name(), "email": p.email, "tags": []string{"web", p.marker}}); err != nil {
			return err
		}
	}
	if chance(r, 25) {
		return entry(between(r, p.created, p.seen), "updated", map[string]any{"last_name": change{p.last, p.last}, "phone": change{nil, p.phone}})
	}
	return nil
}

// firstMessage is the start of the first month from which messages are kept.
func firstMessage(now time.Time) time.Time {
	return time.Date(now.Year(), now.Month()-messageMonths, 1, 0, 0, 0, 0, time.UTC)
}
