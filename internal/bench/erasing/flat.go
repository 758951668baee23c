package main

import (
	"context"
	"fmt"
	"time"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/jobs"
)

// flatEntries are jobs of one tenant, each about ten times as large as the one
// before. Clients a second and memory should be the same for all.
func flatEntries(p *program) []entry {
	return []entry{
		{name: "oubli, 10,000 in one job", one: true, first: 10_000, prepare: p.prepare, do: p.erase(setup{slots: 2})},
		{name: "oubli, 100,000 in one job", one: true, prepare: p.prepare, do: p.erase(setup{slots: 2})},
		{name: "oubli, everybody inactive in one job", one: true, prepare: p.prepare, do: p.erase(setup{slots: 2, inactive: true})},
	}
}

// followInactive erases the largest tenant's clients who have had no appointment
// for a year, with a selection as an administrator makes it.
func (p *program) followInactive(ctx context.Context, api *apiclient.Client, r *result) error {
	mails := len(p.inbox.Mails())
	sel, err := api.CreateSelection(ctx, apiclient.Selection{TenantID: "1", Period: "P1Y"})
	if err != nil {
		return err
	}
	r.restart()
	began := time.Now()
	j, err := api.CreateErasure(ctx, apiclient.Erasure{
		TenantID:      "1",
		SelectionID:   sel.ID,
		ExpectedCount: &sel.Total,
		Reason:        jobs.Inactivity,
	}, "")
	if err != nil {
		return err
	}
	r.AcceptMS = ms(time.Since(began))
	if _, err := p.inbox.Wait(ctx, mails+1); err != nil {
		return err
	}
	r.stop()
	if j, err = api.Get(ctx, j.ID); err != nil {
		return err
	}
	if j.State != jobs.Completed {
		return fmt.Errorf("the job of %d clients ended as %s", j.Requested, j.State)
	}
	r.Clients = j.Counts.Erased + j.Counts.ErasedRetained
	for _, n := range j.Rows {
		r.Rows += n
	}
	return nil
}
