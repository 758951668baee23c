//go:build unix

package chaos

import "context"

// operatorFaults are steps of operators while a job runs.
func operatorFaults() []fault {
	return []fault{
		{"a job paused and resumed", func(ctx context.Context, r *round) (recovery, error) {
			o := r.feeder.open(ctx)
			if o == nil {
				return recovery{}, errNotMet
			}
			if taken, err := r.step(ctx, o, "pause"); err != nil || !taken {
				return recovery{}, errNotMet
			}
			wait(ctx, r.outage())
			eventually(ctx, r.o.Patience, func() bool {
				_, err := r.step(ctx, o, "resume")
				return err == nil
			})
			return r.progress(ctx), nil
		}},
		{"a job cancelled", func(ctx context.Context, r *round) (recovery, error) {
			o := r.feeder.open(ctx)
			if o == nil {
				return recovery{}, errNotMet
			}
			r.feeder.mu.Lock()
			o.cancelled = true
			r.feeder.mu.Unlock()
			if taken, err := r.step(ctx, o, "cancel"); err != nil || !taken {
				return recovery{}, errNotMet
			}
			return r.progress(ctx), nil
		}},
	}
}
