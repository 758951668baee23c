package demo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

// mergeChapter merges a client who was entered twice, and then merges the client
// whom the administrator had unticked into the anonymous profile.
func (d *demo) mergeChapter(ctx context.Context, e *studioErasure) error {
	twice, err := d.enterTwice(ctx, e)
	if err != nil {
		return err
	}
	if twice == nil && e.unticked == "" {
		return nil // a studio of a few clients may have no such client
	}
	d.chapter("Merging")
	if twice != nil {
		if err := d.mergeDouble(ctx, e, twice); err != nil {
			return err
		}
	}
	if e.unticked == "" {
		return nil
	}
	return d.forgetOne(ctx, e)
}

// double is one person with two client rows.
type double struct {
	name             string
	original, second int64
}

// enterTwice lets the front desk enter a client a second time, with a booking
// and with a place in a class that they have already.
func (d *demo) enterTwice(ctx context.Context, e *studioErasure) (*double, error) {
	var t double
	var session int64
	err := d.db.QueryRow(ctx, `
		SELECT c.id, c.first_name || ' ' || c.last_name, p.session_id
		FROM clients AS c JOIN participations AS p ON p.client_id = c.id
		WHERE c.studio_id = $1 AND NOT c.is_anonymous AND NOT c.legal_hold AND c.balance_cents = 0
		ORDER BY c.id, p.id LIMIT 1`, e.ID).Scan(&t.original, &t.name, &session)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find somebody to enter twice: %w", err)
	}
	err = d.db.QueryRow(ctx, `
		WITH again AS (
		  INSERT INTO clients (studio_id, first_name, last_name)
		  SELECT studio_id, first_name, last_name FROM clients WHERE id = $1 RETURNING id, studio_id),
		booked AS (INSERT INTO appointments (studio_id, client_id, starts_at, status, price_cents, client_name, service)
			SELECT studio_id, id, now() + interval '9 days', 'booked', 4500, $2, 'Pilates' FROM again),
		seat AS (INSERT INTO participations (session_id, client_id, status, price_cents, paid_cents) SELECT $3, id, 'booked', 1500, 0 FROM again)
		SELECT id FROM again`, t.original, t.name, session).Scan(&t.second)
	if err != nil {
		return nil, fmt.Errorf("enter somebody twice: %w", err)
	}
	return &t, nil
}

func (d *demo) mergeDouble(ctx context.Context, e *studioErasure, t *double) error {
	d.say("The front desk of %s has entered %s twice: %d and %d,", e.Name, t.name, t.original, t.second)
	d.say("and put both into one class.\n")
	request := apiclient.Merge{
		SourceIDs: []string{strconv.FormatInt(t.second, 10)}, Target: apiclient.MergeTarget{ClientID: strconv.FormatInt(t.original, 10)},
		DeleteSource: true, FillBlanks: true, Conflicts: jobs.FailOnConflict, DryRun: true,
	}
	d.say("  POST /v1/merges {…, \"dry_run\": true}")
	dry, err := d.merge(ctx, e, request)
	if err != nil {
		return err
	}
	d.say("    %s: %s\n", terminal.Words(string(dry.State)), conflictText(dry))
	if dry.Merge.Found["participations"] != 1 {
		return fmt.Errorf("the dry run found %v, want one place in a class", dry.Merge.Found)
	}
	request.DryRun, request.Conflicts = false, jobs.KeepTarget
	d.say("  POST /v1/merges {…, \"conflicts\": \"keep_target\"}")
	done, err := d.merge(ctx, e, request)
	if err != nil {
		return err
	}
	d.say("    %s: %s", terminal.Words(string(done.State)), rowsText(done))
	if done.State != jobs.Completed {
		return fmt.Errorf("the merge ended as %s", done.State)
	}
	return nil
}

// forgetOne merges a client into the anonymous profile and looks for traces.
func (d *demo) forgetOne(ctx context.Context, e *studioErasure) error {
	id, err := strconv.ParseInt(e.unticked, 10, 64)
	if err != nil {
		return err
	}
	var name, profile string
	err = d.db.QueryRow(ctx, "SELECT first_name || ' ' || last_name FROM clients WHERE id = $1", id).Scan(&name)
	if err != nil {
		return fmt.Errorf("read who was unticked: %w", err)
	}
	err = d.db.QueryRow(ctx, `
		SELECT btrim(first_name || ' ' || last_name) FROM clients WHERE id = (
		  SELECT client_key::bigint FROM oubli.anonymous_profiles
		  WHERE tenant_id = $1::bigint::text AND slot = 1)`, e.ID).Scan(&profile)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // nobody was erased here
	}
	if err != nil {
		return fmt.Errorf("read the anonymous profile: %w", err)
	}
	d.say("\n%s, who was unticked above, asks to be forgotten after all. One client", name)
	d.say("can be merged into the anonymous profile, “%s”, with a comment for the records.\n", profile)
	job, err := d.merge(ctx, e, apiclient.Merge{
		SourceIDs:    []string{e.unticked},
		Target:       apiclient.MergeTarget{Anonymous: true},
		DeleteSource: true,
		FillBlanks:   true,
		Conflicts:    jobs.FailOnConflict,
		Comment:      "RGPD",
	})
	if err != nil {
		return err
	}
	terminal.WriteOutcome(d.Out, job)
	if job.State != jobs.Completed {
		return fmt.Errorf("the merge into the anonymous profile ended as %s", job.State)
	}
	traces, err := booking.Traces(ctx, d.db, []int64{id})
	if err != nil {
		return err
	}
	for _, trace := range traces {
		if !trace.Retained() {
			return fmt.Errorf("traces of client %d are left in %s.%s", id, trace.Table, trace.Column)
		}
	}
	d.say("\n  No trace of %s is left, except the columns that the law keeps. Nothing records", name)
	d.say("  into which profile the client was merged: the job's target was deleted.")
	return nil
}

// merge submits a merge and waits for its end.
func (d *demo) merge(ctx context.Context, e *studioErasure, m apiclient.Merge) (jobs.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	job, err := e.client.CreateMerge(ctx, m, "")
	if err != nil {
		return job, err
	}
	return e.client.Follow(ctx, job.ID, func(jobs.Job) {})
}

func conflictText(j jobs.Job) string {
	var parts []string
	for _, table := range terminal.MostFirst(j.Merge.Found) {
		parts = append(parts, terminal.Count(int(j.Merge.Found[table]), "row")+" of "+table)
	}
	return strings.Join(parts, ", ") + " the target has already; nothing was changed"
}

func rowsText(j jobs.Job) string {
	var parts []string
	for _, table := range terminal.MostFirst(j.Rows) {
		if n := j.Rows[table]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", table, n))
		}
	}
	return strings.Join(parts, ", ")
}
