//go:build unix

package chaos

import (
	"context"
	"time"
)

// mailFaults are what mail servers do to their callers.
func mailFaults() []fault {
	all := []fault{{"mail server refuses connections", func(ctx context.Context, r *round) (relief, error) {
		for _, p := range r.processes() {
			p.mail.cut()
		}
		r.feeder.nudge(ctx)
		wait(ctx, r.outage())
		for _, p := range r.processes() {
			if err := p.mail.mend(); err != nil {
				return relief{}, err
			}
		}
		return r.mailed(), nil
	}}}
	for _, m := range []behaviour{tempRcpt, tempData, permRcpt, permData, hanging, dropHalf, dropWhole, rudeQuit} {
		all = append(all, fault{"mail server: " + string(m), func(ctx context.Context, r *round) (relief, error) {
			r.mails.behave(m)
			r.feeder.nudge(ctx)
			met := eventually(ctx, 15*time.Second, func() bool { return r.mails.met() > 0 })
			wait(ctx, r.outage())
			r.mails.behave(kind)
			if !met {
				return relief{}, errNotMet
			}
			return r.mailed(), nil
		}})
	}
	return all
}

// mailed is the relief from mail trouble: what was due by then is on its way.
func (r *round) mailed() relief {
	since := time.Now()
	return relief{since, func(ctx context.Context) bool {
		var left int
		err := r.pool.QueryRow(ctx, "SELECT count(*) FROM oubli.tasks AS t JOIN oubli.jobs AS j ON j.id = t.job_id WHERE t.kind = 'mail' AND t.state IN ('pending', 'running') AND j.finished_at < $1", since).Scan(&left)
		return err == nil && left == 0
	}}
}
