package demo

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

// proof is how the database looked before.
type proof struct {
	totals    []booking.StudioTotals
	traces    []booking.Trace
	untouched []booking.TableDigest
	asked     []int64
}

func (d *demo) before(ctx context.Context, erasures []*studioErasure) (*proof, error) {
	p := &proof{}
	for _, e := range erasures {
		for _, id := range e.ids {
			n, err := strconv.ParseInt(id, 10, 64)
			if err != nil {
				return nil, err
			}
			p.asked = append(p.asked, n)
		}
	}
	var err error
	if p.totals, err = booking.Totals(ctx, d.db); err != nil {
		return nil, err
	}
	if p.untouched, err = booking.UntouchedDigest(ctx, d.db, p.asked); err != nil {
		return nil, err
	}
	p.traces, err = booking.Traces(ctx, d.db, p.asked)
	return p, err
}

// prove compares the database with how it was before. It reads the database and
// does not ask the service, so that the service cannot vouch for itself.
func (d *demo) prove(ctx context.Context, p *proof, erasures []*studioErasure) error {
	d.chapter("The proof, read from the database")
	var broken []string
	check := func(ok bool, format string, args ...any) {
		if !ok {
			broken = append(broken, fmt.Sprintf(format, args...))
		}
	}
	for _, e := range erasures {
		check(e.job.Counts.Total() == e.job.Requested && e.job.Counts.Pending == 0, "outcomes of %s do not add up", e.Name)
		check(e.job.Counts.Failed == 0, "%d clients of %s failed", e.job.Counts.Failed, e.Name)
	}
	erased, err := d.gone(ctx, p.asked)
	if err != nil {
		return err
	}
	reported := total(erasures, jobs.Erased) + total(erasures, jobs.ErasedRetained)
	check(len(erased) == reported, "the number of clients who are gone is not the number reported erased")

	same, err := d.compareTotals(ctx, p.totals)
	if err != nil {
		return err
	}
	check(same, "sums have changed")
	clean, err := d.compareTraces(ctx, p, erased)
	if err != nil {
		return err
	}
	check(clean, "traces of erased clients are left")
	now, err := booking.UntouchedDigest(ctx, d.db, p.asked)
	if err != nil {
		return err
	}
	untouched := slices.Equal(now, p.untouched)
	check(untouched, "rows of other clients have changed")
	if untouched {
		rows := int64(0)
		for _, t := range now {
			rows += t.Rows
		}
		d.say("\n  The %s of everybody else have the same checksum as before.", terminal.Count(int(rows), "row"))
	}
	if len(broken) > 0 {
		return fmt.Errorf("the proof failed: %v", broken)
	}
	return nil
}

// gone lists those of the clients who do not exist any more.
func (d *demo) gone(ctx context.Context, asked []int64) ([]int64, error) {
	rows, err := d.db.Query(ctx, `SELECT id FROM unnest($1::bigint[]) AS asked(id)
		WHERE NOT EXISTS (SELECT FROM clients WHERE clients.id = asked.id)`, asked)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func total(erasures []*studioErasure, o jobs.Outcome) int {
	n := 0
	for _, e := range erasures {
		n += e.job.Counts.Of(o)
	}
	return n
}

func (d *demo) compareTotals(ctx context.Context, before []booking.StudioTotals) (bool, error) {
	after, err := booking.Totals(ctx, d.db)
	if err != nil {
		return false, err
	}
	all := len(after) == len(before)
	d.say("  %-28s %-9s%13s%13s%12s%13s%12s%13s", "", "", "appointments", "€", "class seats", "€", "invoices", "€")
	for i, b := range before {
		a := booking.StudioTotals{}
		if i < len(after) {
			a = after[i]
		}
		d.totalsLine(b.Name, "before", b)
		d.totalsLine("", "after", a)
		all = all && a == b
	}
	word := "Every count and sum is as before"
	if !all {
		word = "NOT as before"
	}
	d.say("\n  %s: in all, on each day, and in each class.", word)
	return all, nil
}

func (d *demo) totalsLine(studio, when string, t booking.StudioTotals) {
	d.say("  %-28s %-9s%13s%13s%12s%13s%12s%13s", studio, when,
		terminal.Thousands(t.Appointments), euros(t.AppointmentCents),
		terminal.Thousands(t.Participations), euros(t.PaidCents),
		terminal.Thousands(t.Invoices), euros(t.InvoiceCents))
}

// euros is an amount without its cents.
func euros(cents int64) string { return terminal.Thousands(cents / 100) }

// compareTraces shows where the erased clients could be found before, and where
// they can be found now.
func (d *demo) compareTraces(ctx context.Context, p *proof, erased []int64) (bool, error) {
	after, err := booking.Traces(ctx, d.db, erased)
	if err != nil {
		return false, err
	}
	left := map[string]int64{}
	clean := true
	for _, t := range after {
		left[t.Table+"."+t.Column] = t.Count
		clean = clean && t.Retained()
	}
	d.say("\n  %-36s%12s%12s", "Rows with data of these clients", "before", "after")
	for _, t := range p.traces {
		name := t.Table + "." + t.Column
		note := ""
		if t.Retained() && left[name] > 0 {
			note = "  kept by tax law for some years"
		}
		d.say("    %-34s%12s%12s%s", name, terminal.Thousands(t.Count), terminal.Thousands(left[name]), note)
	}
	return clean, nil
}

// lookAgain shows what has become of the client whom the story followed.
func (d *demo) lookAgain(ctx context.Context, p *person) error {
	var calendar, profile, invoice string
	err := d.db.QueryRow(ctx, `
		SELECT a.client_name, c.first_name || ' (' || c.group_name || ')', i.billing_name
		FROM appointments a JOIN clients c ON c.id = a.client_id, invoices i
		WHERE a.id = $1 AND i.id = $2`, p.appointment, p.invoice).Scan(&calendar, &profile, &invoice)
	if err != nil {
		return fmt.Errorf("look again: %w", err)
	}
	d.chapter("And " + p.name + "?")
	d.item("client", fmt.Sprintf("%d does not exist", p.id))
	d.item("calendar", "the appointment is still there, for “"+calendar+"”")
	d.item("reports", "it belongs to the profile “"+profile+"”, which all erased clients share")
	d.item("invoice", "still made out to “"+invoice+"”, as tax law requires, and linked to no client")
	return nil
}
