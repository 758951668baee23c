//go:build unix

package chaos

import (
	"context"
	"time"
)

// mailFaults are faults of the mail server.
func mailFaults() []fault {
	all := []fault{{"mail server refuses connections", func(ctx context.Context, r *round) (recovery, error) {
		for _, p := range r.processes() {
			p.mail.cut()
		}
		r.feeder.requestSmall(ctx)
		wait(ctx, r.outage())
		for _, p := range r.processes() {
			if err := p.mail.restore(); err != nil {
				return recovery{}, err
			}
		}
		return r.mailed(), nil
	}}}
	for _, m := range []behaviour{tempRcpt, tempData, permRcpt, permData, hanging, dropHalf, dropWhole, rudeQuit} {
		all = append(all, fault{"mail server: " + string(m), func(ctx context.Context, r *round) (recovery, error) {
			r.mails.behave(m)
			r.feeder.requestSmall(ctx)
			met := eventually(ctx, 15*time.Second, func() bool { return r.mails.met() > 0 })
			wait(ctx, r.outage())
			r.mails.behave(kind)
			if !met {
				return recovery{}, errNotMet
			}
			return r.mailed(), nil
		}})
	}
	return all
}

// mailed is the recovery from mail faults: every mail that was due has been sent
// or tried again.
func (r *round) mailed() recovery {
	since := time.Now()
	return recovery{since, func(ctx context.Context) bool {
		var left int
		err := r.pool.QueryRow(ctx, `
			SELECT count(*) FROM oubli.tasks AS t JOIN oubli.jobs AS j ON j.id = t.job_id
			WHERE t.kind = 'mail' AND t.state IN ('pending', 'running') AND j.finished_at < $1`, since).Scan(&left)
		return err == nil && left == 0
	}}
}
