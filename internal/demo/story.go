package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/httpapi"
	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.Out, format+"\n", args...) }

func (d *demo) chapter(title string) {
	if d.Draws {
		title = "\x1b[1m" + title + "\x1b[0m"
	}
	d.say("\n%s\n", title)
}

func (d *demo) item(label, text string) { d.say("  %-14s%s", label, text) }

// studioErasure is one studio's part of the story.
type studioErasure struct {
	booking.Studio
	client    *apiclient.Client
	selection jobs.Selection
	ids       []string // who is included
	unticked  string   // a candidate whom the administrator left out; "" none
	job       jobs.Job
}

// tell plays the story. It returns an error if something did not end as promised.
func (d *demo) tell(ctx context.Context) error {
	erasures, err := d.choose(ctx)
	if err != nil {
		return err
	}
	someone, err := d.introduce(ctx, erasures[0])
	if err != nil {
		return err
	}
	p, err := d.before(ctx, erasures)
	if err != nil {
		return err
	}
	if err := d.eraseAll(ctx, erasures); err != nil {
		return err
	}
	if err := d.showMails(ctx, erasures); err != nil {
		return err
	}
	if err := d.prove(ctx, p, erasures); err != nil {
		return err
	}
	if someone != nil {
		if err := d.lookAgain(ctx, someone); err != nil {
			return err
		}
	}
	if err := d.mergeChapter(ctx, erasures[0]); err != nil {
		return err
	}
	return d.yearsLater(ctx)
}

// choose lets the administrator of each studio select who has been inactive for
// a year, and untick one.
func (d *demo) choose(ctx context.Context) ([]*studioErasure, error) {
	d.chapter("Who has not been here for a year")
	d.say("POST /v1/selections {\"period\": \"P1Y\"} for each studio: a frozen list, a preview.\n")
	d.say("  %-28s    %10s%10s   %s", "", "to erase", "clients", "left out by a guard")
	var all []*studioErasure
	for _, studio := range d.seeded.Studios {
		token, err := d.token(studio)
		if err != nil {
			return nil, err
		}
		e := &studioErasure{Studio: studio, client: apiclient.New("http://"+d.service.APIAddr, token)}
		if e.selection, err = e.client.CreateSelection(ctx, apiclient.Selection{Period: "P1Y"}); err != nil {
			return nil, err
		}
		for c, err := range e.client.Candidates(ctx, e.selection.ID) {
			if err != nil {
				return nil, err
			}
			if c.Included {
				e.ids = append(e.ids, c.ClientID)
			}
		}
		var held []string
		for _, guard := range slices.Sorted(maps.Keys(e.selection.Blocked)) {
			held = append(held, fmt.Sprintf("%s %d", terminal.Words(guard), e.selection.Blocked[guard]))
		}
		d.say("  %-28s %s %10s%10s   %s", studio.Name, studio.Country,
			terminal.Thousands(int64(e.selection.Total)), terminal.Thousands(studio.Clients), strings.Join(held, ", "))
		all = append(all, e)
	}
	return all, d.untick(ctx, all[0])
}

// untick leaves out one candidate, as an administrator would who knows the client.
func (d *demo) untick(ctx context.Context, e *studioErasure) (err error) {
	if len(e.ids) == 0 {
		return nil
	}
	last := e.ids[len(e.ids)-1]
	if e.selection, err = e.client.Untick(ctx, e.selection.ID, []string{last}); err != nil {
		return err
	}
	e.ids, e.unticked = e.ids[:len(e.ids)-1], last
	d.say("\nThe administrator of %s looks at the list, unticks one, and", e.Name)
	d.say("confirms the number that is left: %s.", terminal.Thousands(int64(e.selection.Total)))
	return nil
}

// token is an administrator's of the studio.
func (d *demo) token(studio booking.Studio) (string, error) {
	return httpapi.Mint(d.secret, jobs.Caller{
		Subject: "demo-admin-" + strconv.FormatInt(studio.ID, 10), Email: fmt.Sprintf("admin@studio-%d.example", studio.ID),
		Tenant: strconv.FormatInt(studio.ID, 10), Role: jobs.Admin,
	}, time.Hour)
}

// person is one client whom the story follows, with the data in their rows.
type person struct {
	id, appointment, invoice int64
	name                     string
}

// introduce shows what the database knows of one client who will be erased,
// and lets another one of them book again. It may find nobody, and gives nil.
func (d *demo) introduce(ctx context.Context, e *studioErasure) (*person, error) {
	var p person
	var email, phone, birth, street, note string
	err := d.db.QueryRow(ctx, `
		SELECT c.id, c.first_name || ' ' || c.last_name, coalesce(c.email, '–'), coalesce(c.phone, '–'), coalesce(c.birth_date::text, '–'),
		  coalesce(ad.street || ', ' || ad.postal_code || ' ' || ad.city, '–'), coalesce(a.note, '–'), a.id, i.id
		FROM clients c
		LEFT JOIN addresses ad ON ad.id = c.address_id
		JOIN LATERAL (
		  SELECT id, note FROM appointments WHERE client_id = c.id ORDER BY note IS NULL, starts_at DESC LIMIT 1) a ON true
		JOIN LATERAL (
		  SELECT id FROM invoices
		  WHERE client_id = c.id AND status = 'paid' AND issued_on > now() - interval '6 years'
		  ORDER BY issued_on DESC LIMIT 1) i ON true
		WHERE c.id = ANY($1::text[]::bigint[]) AND NOT c.legal_hold AND c.balance_cents = 0
		  AND NOT EXISTS (SELECT FROM invoices WHERE client_id = c.id AND status = 'open')
		ORDER BY ad.id IS NULL, a.note IS NULL, c.id LIMIT 1`, e.ids).
		Scan(&p.id, &p.name, &email, &phone, &birth, &street, &note, &p.appointment, &p.invoice)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil // a studio of a few clients may have no such client
	}
	if err != nil {
		return nil, fmt.Errorf("find somebody to follow: %w", err)
	}
	d.chapter("One of them")
	d.item("name", fmt.Sprintf("%s, client %d of %s", p.name, p.id, e.Name))
	d.item("born", birth)
	d.item("reached at", email+", "+phone)
	d.item("lives at", street)
	d.item("note", note)

	var returning string
	err = d.db.QueryRow(ctx, `
		INSERT INTO appointments (studio_id, client_id, starts_at, status, price_cents, client_name, service)
		SELECT studio_id, id, now() + interval '3 days', 'booked', 4500, first_name || ' ' || last_name, 'Pilates'
		FROM clients WHERE id = ANY($1::text[]::bigint[]) AND id <> $2 AND NOT legal_hold AND balance_cents = 0 ORDER BY id DESC LIMIT 1
		RETURNING client_name`, e.ids, p.id).Scan(&returning)
	if errors.Is(err, pgx.ErrNoRows) {
		return &p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("let somebody book again: %w", err)
	}
	d.say("\nMeanwhile %s books again, for in three days.", returning)
	d.say("A client who came back is not erased: every client is checked once more,")
	d.say("under lock, in the transaction that would erase them.")
	return &p, nil
}

// eraseAll requests one erasure for each studio, each twice like a double click, and
// follows them together.
func (d *demo) eraseAll(ctx context.Context, erasures []*studioErasure) error {
	d.chapter("The erasure")
	for _, e := range erasures {
		request := apiclient.Erasure{
			SelectionID:   e.selection.ID,
			ExpectedCount: &e.selection.Total,
			Reason:        jobs.Inactivity,
			Comment:       "inactive for a year",
		}
		key := apiclient.NewIdempotencyKey()
		first, err := e.client.CreateErasure(ctx, request, key)
		if err != nil {
			return err
		}
		again, err := e.client.CreateErasure(ctx, request, key)
		if err != nil {
			return err
		}
		if first.ID != again.ID {
			return fmt.Errorf("a double click made two erasures, %s and %s", first.ID, again.ID)
		}
		e.job = first
	}
	d.say("POST /v1/erasures, one for each studio: 202 Accepted. Each was sent twice, like")
	d.say("a double click. Both have the same Idempotency-Key, so there is one job.\n")
	bar := terminal.NewProgress(d.Err, d.Draws)
	start := time.Now()
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for open := true; open; {
		sum := jobs.Job{State: jobs.Running}
		open = false
		for _, e := range erasures {
			job, err := e.client.Get(ctx, e.job.ID)
			if err != nil {
				return err
			}
			e.job = job
			open = open || !job.State.Final()
			sum.Requested += job.Requested
			sum.Counts.Pending += job.Counts.Pending
			for _, o := range jobs.Outcomes() {
				sum.Counts.Add(o, job.Counts.Of(o))
			}
		}
		bar.See(sum)
		if !open {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	bar.End()
	done, rows := 0, int64(0)
	for _, e := range erasures {
		done += e.job.Counts.Done()
		for _, n := range e.job.Rows {
			rows += n
		}
	}
	took := time.Since(start)
	rate := terminal.Thousands(int64(float64(done) / took.Seconds()))
	d.say("%s, %s, in %s: %s clients/s.\n",
		terminal.Count(done, "client"), terminal.Count(int(rows), "row"), terminal.Span(took), rate)
	terminal.WriteOutcome(d.Out, erasures[0].job)
	return nil
}

// showMails waits for one mail for each studio and prints the first.
func (d *demo) showMails(ctx context.Context, erasures []*studioErasure) error {
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	mails, err := d.inbox.Wait(wait, len(erasures))
	if err != nil {
		return err
	}
	if len(mails) != len(erasures) {
		return fmt.Errorf("%d mails for %d erasures", len(mails), len(erasures))
	}
	d.chapter("The mail to each administrator, in the studio's language")
	to := fmt.Sprintf("admin@studio-%d.example", erasures[0].ID)
	var shown local.Mail
	for _, m := range mails {
		if strings.Contains(strings.Join(m.To, " "), to) {
			shown = m
		}
	}
	first, err := decodeMail(shown.Data)
	if err != nil {
		return err
	}
	for _, line := range strings.Split(strings.TrimSpace(first.header()+"\n"+first.text), "\n") {
		d.say("  │ %s", strings.TrimRight(line, "\r "))
	}
	d.say("")
	for _, m := range mails {
		other, err := decodeMail(m.Data)
		if err != nil {
			return err
		}
		d.say("  %-26s %s", strings.Join(m.To, ", "), other.subject)
	}
	return nil
}
