//go:build unix

package chaos

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisFaults take away what PostgreSQL does not need.
func redisFaults() []fault {
	return []fault{
		{"Redis loses everything", func(ctx context.Context, r *round) (relief, error) {
			if err := r.keys.FlushAll(ctx).Err(); err != nil {
				return relief{}, err
			}
			return r.hintsAgain(ctx), nil
		}},
		{"Redis is killed, with AOF", func(ctx context.Context, r *round) (relief, error) {
			r.redis.Kill()
			wait(ctx, r.outage())
			err := r.redis.Start(ctx)
			return r.progress(ctx), err
		}},
		{"Redis is killed, without AOF", func(ctx context.Context, r *round) (relief, error) {
			for _, p := range r.processes() {
				p.redis.cut()
			}
			r.redis.Kill()
			if err := r.redis.Start(ctx); err != nil {
				return relief{}, err
			}
			if err := r.keys.FlushAll(ctx).Err(); err != nil {
				return relief{}, err
			}
			err := r.mendRedis()
			return r.hintsAgain(ctx), err
		}},
		{"Redis is restored from old", oldRedis},
		{"Redis loses single keys", someKeys},
		{"Redis is away", func(ctx context.Context, r *round) (relief, error) {
			for _, p := range r.processes() {
				p.redis.cut()
			}
			wait(ctx, r.outage())
			err := r.mendRedis()
			return r.progress(ctx), err
		}},
		{"Redis does not answer", func(ctx context.Context, r *round) (relief, error) {
			for _, p := range r.processes() {
				if err := p.redis.silence(); err != nil {
					return relief{}, err
				}
			}
			wait(ctx, r.outage())
			err := r.mendRedis()
			return r.progress(ctx), err
		}},
		{"Redis is cut at the acknowledgement", func(ctx context.Context, r *round) (relief, error) {
			return r.snip(ctx, func(p *process) link { return p.redis }, "upstream", acknowledged)
		}},
	}
}

func (r *round) mendRedis() error {
	for _, p := range r.processes() {
		if err := p.redis.mend(); err != nil {
			return err
		}
	}
	return nil
}

// oldRedis brings back what Redis held a while ago, over what it holds now.
func oldRedis(ctx context.Context, r *round) (relief, error) {
	old := map[string]string{}
	for keys := r.keys.Scan(ctx, 0, "asynq:*", 1000).Iterator(); keys.Next(ctx); {
		if dump, err := r.keys.Dump(ctx, keys.Val()).Result(); err == nil {
			old[keys.Val()] = dump
		}
	}
	wait(ctx, 2*time.Second)
	_, err := r.keys.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		tx.FlushAll(ctx)
		for key, dump := range old {
			tx.Restore(ctx, key, 0, dump)
		}
		return nil
	})
	return r.hintsAgain(ctx), err
}

// hintsAgain is the relief from a loss of hints: those that were under way have
// come to somebody or were sent again, or there is progress where there were
// none.
func (r *round) hintsAgain(ctx context.Context) relief {
	if after := r.takenOver(ctx, nil, time.Now()); after.done != nil {
		return after
	}
	return r.progress(ctx)
}

// someKeys deletes a third of what Redis holds: hints, lists, leases.
func someKeys(ctx context.Context, r *round) (relief, error) {
	for keys := r.keys.Scan(ctx, 0, "asynq:{*", 1000).Iterator(); keys.Next(ctx); {
		if r.IntN(3) == 0 {
			if err := r.keys.Del(ctx, keys.Val()).Err(); err != nil {
				return relief{}, err
			}
		}
	}
	return r.hintsAgain(ctx), nil
}

// snip cuts the connection of a few processes where a text comes by.
func (r *round) snip(ctx context.Context, of func(*process) link, direction, text string) (relief, error) {
	register()
	from := time.Now()
	var left []func() int32
	for _, p := range r.processes() {
		n, err := of(p).snip(direction, text, 2)
		if err != nil {
			return relief{}, err
		}
		left = append(left, n)
	}
	r.feeder.nudge(ctx)
	bitten := eventually(ctx, 10*time.Second, func() bool {
		for _, n := range left {
			if n() <= 0 {
				return true
			}
		}
		return false
	})
	for _, p := range r.processes() {
		if err := of(p).mend(); err != nil {
			return relief{}, err
		}
	}
	r.trouble("a cut connection", from.Add(-hesitation), time.Now().Add(time.Second))
	if !bitten {
		return relief{}, errNotMet
	}
	return r.progress(ctx), nil
}
