package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/bench/figures"
)

// contender erases a set of clients from a copy, and sets those fields of the
// result that only it knows.
type contender func(ctx context.Context, c *clone, who *clientSet, r *result) error

// entry is a contender and the conditions under which it runs.
type entry struct {
	name    string
	one     bool // clients of one tenant; otherwise of several
	beside  bool // during bookings
	first   int  // only this many clients of the set; 0: all
	again   bool // on the copy of the entry before
	prepare func(ctx context.Context, c *clone) error
	do      contender
}

const (
	nameByHand     = "one transaction by hand"
	besideBookings = ", beside bookings"
)

// idle is how long bookings run alone before the contender begins.
const idle = 10 * time.Second

// contenders lists the entries of a run.
func contenders(p *program, s size) []entry {
	switch {
	case s.flat:
		return flatEntries(p)
	case s.single:
		return singleEntries(p, s)
	}
	sample := s.scale(20 * time.Second)
	direct := func(c *clone) string { return c.url() }
	slow := func(c *clone) string { return c.slow.through(c.url()) }
	gentle := setup{slots: 1, settings: []string{"OUBLI_CHUNK_TARGET=20ms", "OUBLI_WORK_SHARE=50"}, most: 2 * time.Minute}
	return []entry{
		{name: nameByHand, do: byHand},
		{name: "oubli, 1 slot", prepare: p.prepare, do: p.erase(setup{slots: 1})},
		{name: "oubli, 2 slots", prepare: p.prepare, do: p.erase(setup{slots: 2})},
		{name: nameByHand, one: true, do: byHand},
		{name: "oubli, 1 slot", one: true, prepare: p.prepare, do: p.erase(setup{slots: 1})},
		{name: "oubli, 2 slots", one: true, prepare: p.prepare, do: p.erase(setup{slots: 2})},
		{name: "ON DELETE CASCADE", prepare: prepareCascade, do: cascade},
		{name: "loop over clients", do: loop(direct, 0, sample)},
		{name: "loop over clients, 1 ms away", again: true, do: loop(slow, s.erase/2, sample)},
		{name: "oubli, 2 slots, 1 ms away", prepare: p.prepare, do: p.erase(setup{slots: 2, url: slow})},
		{name: nameByHand + besideBookings, beside: true, do: byHand},
		{name: "oubli, 2 slots" + besideBookings, beside: true, prepare: p.prepare, do: p.erase(setup{slots: 2})},
		{name: "oubli, gentle" + besideBookings, beside: true, prepare: p.prepare, do: p.erase(gentle)},
	}
}

// scale shortens a time of measurement for a small run.
func (s size) scale(full time.Duration) time.Duration {
	switch {
	case s.clients >= 500_000:
		return full
	case s.clients >= 20_000:
		return full / 3
	}
	return full / 8
}

// measure runs all entries as often as asked, and calls keep after each.
func (l *lab) measure(ctx context.Context, p *program, entries []entry, keep func(*report) error) (*report, error) {
	r := &report{
		Machine:     figures.ThisMachine(l.pg),
		Started:     time.Now(),
		Clients:     l.size.clients,
		Erased:      l.size.erase,
		Runs:        l.size.runs,
		SeedSeconds: l.seeded.Seconds(),
	}
	several, one, err := clientSets(ctx, l.pg.URL(pristine), l.size.erase)
	if err != nil {
		return nil, err
	}
	if l.slow, err = openLink(l.pg.URL(pristine)); err != nil {
		return nil, err
	}
	defer l.slow.close()
	l.say("%d clients in the database, seeded in %s; %d to be erased", l.size.clients, l.seeded.Round(time.Second), l.size.erase)
	effects := map[string]contents{} // of the hand-written transaction, by set of clients
	var c *clone
	for run := range l.size.runs {
		before := -1 // the entry that ran on the present copy
		for i := range entries {
			t := entries[i]
			if !l.size.only.MatchString(t.name) {
				continue
			}
			who := several
			if t.one {
				who = one
			}
			if t.first > 0 {
				who = who.part(0, t.first)
			}
			if !t.again || before != i-1 {
				if c, err = l.clone(ctx); err != nil {
					return r, err
				}
			}
			x, err := l.run(ctx, t, c, who)
			if err != nil {
				return r, fmt.Errorf("%s, %s: %w", t.name, who.name, err)
			}
			x.Run, before = run+1, i
			if err := l.effect(ctx, c, x, effects); err != nil {
				return r, fmt.Errorf("%s, %s: %w", t.name, who.name, err)
			}
			r.add(x)
			l.say("%s", x.sentence())
			if err := keep(r); err != nil {
				return r, err
			}
		}
	}
	return r, l.drop(ctx, "copy")
}

// run measures one contender.
func (l *lab) run(ctx context.Context, t entry, c *clone, who *clientSet) (_ *result, err error) {
	x := &result{Name: t.name, ClientSet: who.name, Clients: len(who.ids), booked: t.beside}
	if t.prepare != nil {
		if err := t.prepare(ctx, c); err != nil {
			return nil, err
		}
	}
	if t.name == "ON DELETE CASCADE" {
		if x.Rows, err = l.count(ctx, c, countBelongings, who.ids); err != nil {
			return nil, err
		}
	}
	if _, err := l.admin.Exec(ctx, "CHECKPOINT"); err != nil {
		return nil, err
	}
	do := func() (err error) {
		cpu := l.serverCPU(ctx)
		x.WALBytes, err = l.wal(ctx, func() error {
			x.restart()
			err := t.do(ctx, c, who, x)
			x.stop()
			return err
		})
		x.ServerCPU = (l.serverCPU(ctx) - cpu).Seconds()
		return err
	}
	if l.size.profile {
		if err := l.resetProfile(ctx); err != nil {
			return nil, err
		}
	}
	var looks map[string]int
	stop, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		if l.size.profile {
			looks = l.waits(ctx, stop)
		}
	}()
	if t.beside {
		err = l.beside(ctx, c, who, x, do)
	} else {
		err = do()
	}
	x.finish(len(who.ids))
	close(stop)
	<-looked
	if err == nil && l.size.profile {
		l.say("  sessions seen: %v", looks)
		err = l.readProfile(ctx, x)
	}
	return x, err
}

// beside makes bookings before f and while f runs.
func (l *lab) beside(ctx context.Context, c *clone, who *clientSet, x *result, f func() error) error {
	live, err := openTraffic(ctx, c.url(), who, l.size.clients)
	if err != nil {
		return err
	}
	defer live.close()
	live.begin(ctx)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(l.size.scale(idle)):
	}
	quiet := time.Since(live.start)
	err = f()
	if err := errors.Join(err, live.end()); err != nil {
		return err
	}
	from := x.start.Sub(live.start)
	b := live.sum(quiet, from, from+x.took)
	x.Beside = &b
	return nil
}

func (l *lab) count(ctx context.Context, c *clone, sql string, args ...any) (n int64, err error) {
	conn, err := pgx.Connect(ctx, c.url())
	if err != nil {
		return 0, err
	}
	err = conn.QueryRow(ctx, sql, args...).Scan(&n)
	return n, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// effect compares the rows after oubli's erasure with those after the hand-written
// transaction on the same clients.
func (l *lab) effect(ctx context.Context, c *clone, x *result, effects map[string]contents) error {
	if x.Beside != nil || x.Single != nil || x.Sample || x.Name == "ON DELETE CASCADE" {
		return nil
	}
	if effects[x.ClientSet] == nil && x.Name != nameByHand {
		return nil // nothing to compare with
	}
	if effects[x.ClientSet] != nil && x.Run > 1 {
		return nil // it was compared in the first run
	}
	l.say("reading every row …")
	found, err := read(ctx, c.url())
	if err != nil {
		return err
	}
	if x.Name == nameByHand {
		effects[x.ClientSet] = found
		return nil
	}
	if err := compare(effects[x.ClientSet], found); err != nil {
		return fmt.Errorf("the effect is not the same as that of the hand-written transaction:\n%w", err)
	}
	x.Effect = fmt.Sprintf("same %d rows", found.rows())
	return nil
}

// sentence describes one result, for the log.
func (x *result) sentence() string {
	s := fmt.Sprintf("%s, %s: %d clients in %.1f s, %.0f/s, %.0f MiB of WAL, %.2f ms of the "+
		"server's CPU a client, longest transaction %.0f ms",
		x.Name, x.ClientSet, x.Clients, x.Seconds, x.PerSecond, float64(x.WALBytes)/(1<<20),
		1000*x.ServerCPU/float64(max(x.Clients, 1)), x.LongestMS)
	if x.Ratio > 0 {
		s += fmt.Sprintf(", %.2f times the hand-written", x.Ratio)
	}
	if x.ChunkMS != nil {
		s += fmt.Sprintf("; %d chunks of about %d clients, %.0f ms, p99 %.0f; request %.0f ms; "+
			"%.0f MiB, %.1f s of CPU", x.ChunkMS.N, x.ChunkClients, x.ChunkMS.Median, x.ChunkMS.P99, x.AcceptMS, x.PeakMiB, x.CPUSeconds)
	}
	if x.Single != nil {
		s += fmt.Sprintf("; worker %.1f s of CPU", x.CPUSeconds) + x.Single.sentence()
	}
	if x.Retries > 0 {
		s += fmt.Sprintf("; %d batches given back", x.Retries)
	}
	if b := x.Beside; b != nil {
		s += fmt.Sprintf("; bookings p50 %.1f → %.1f, p99 %.1f → %.1f ms, %.0f → %.0f/s",
			b.IdleMS.Median, b.DuringMS.Median, b.IdleMS.P99, b.DuringMS.P99, b.IdleRate, b.Rate)
	}
	return s
}
