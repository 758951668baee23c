//go:build unix

package chaos

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisFaults are faults of Redis, which may lose everything.
func redisFaults() []fault {
	return []fault{
		{"Redis loses everything", func(ctx context.Context, r *round) (recovery, error) {
			if err := r.keys.FlushAll(ctx).Err(); err != nil {
				return recovery{}, err
			}
			return r.hintsAgain(ctx), nil
		}},
		{"Redis is killed, with AOF", func(ctx context.Context, r *round) (recovery, error) {
			r.redis.Kill()
			wait(ctx, r.outage())
			err := r.redis.Start(ctx)
			return r.progress(ctx), err
		}},
		{"Redis is killed, without AOF", func(ctx context.Context, r *round) (recovery, error) {
			for _, p := range r.processes() {
				p.redis.cut()
			}
			r.redis.Kill()
			if err := r.redis.Start(ctx); err != nil {
				return recovery{}, err
			}
			if err := r.keys.FlushAll(ctx).Err(); err != nil {
				return recovery{}, err
			}
			err := r.repairRedis()
			return r.hintsAgain(ctx), err
		}},
		{"Redis is restored from old", oldRedis},
		{"Redis loses single keys", someKeys},
		{"Redis is away", func(ctx context.Context, r *round) (recovery, error) {
			for _, p := range r.processes() {
				p.redis.cut()
			}
			wait(ctx, r.outage())
			err := r.repairRedis()
			return r.progress(ctx), err
		}},
		{"Redis does not answer", func(ctx context.Context, r *round) (recovery, error) {
			for _, p := range r.processes() {
				if err := p.redis.silence(); err != nil {
					return recovery{}, err
				}
			}
			wait(ctx, r.outage())
			err := r.repairRedis()
			return r.progress(ctx), err
		}},
		{"Redis is cut at the acknowledgement", func(ctx context.Context, r *round) (recovery, error) {
			return r.cutAt(ctx, func(p *process) link { return p.redis }, "upstream", acknowledged)
		}},
	}
}

func (r *round) repairRedis() error {
	for _, p := range r.processes() {
		if err := p.redis.restore(); err != nil {
			return err
		}
	}
	return nil
}

// oldRedis restores an earlier content of Redis over the present one.
func oldRedis(ctx context.Context, r *round) (recovery, error) {
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

// hintsAgain is the recovery from a loss of hints: those under way have reached a
// worker or were sent again; without any, there is progress.
func (r *round) hintsAgain(ctx context.Context) recovery {
	if after := r.takenOver(ctx, nil, time.Now()); after.done != nil {
		return after
	}
	return r.progress(ctx)
}

// someKeys deletes a third of the keys of Redis: hints, lists, leases.
func someKeys(ctx context.Context, r *round) (recovery, error) {
	for keys := r.keys.Scan(ctx, 0, "asynq:{*", 1000).Iterator(); keys.Next(ctx); {
		if r.IntN(3) == 0 {
			if err := r.keys.Del(ctx, keys.Val()).Err(); err != nil {
				return recovery{}, err
			}
		}
	}
	return r.hintsAgain(ctx), nil
}

// cutAt cuts the connections of a few processes at a text.
func (r *round) cutAt(ctx context.Context, of func(*process) link, direction, text string) (recovery, error) {
	register()
	from := time.Now()
	var left []func() int32
	for _, p := range r.processes() {
		n, err := of(p).cutAt(direction, text, 2)
		if err != nil {
			return recovery{}, err
		}
		left = append(left, n)
	}
	r.feeder.requestSmall(ctx)
	bitten := eventually(ctx, 10*time.Second, func() bool {
		for _, n := range left {
			if n() <= 0 {
				return true
			}
		}
		return false
	})
	for _, p := range r.processes() {
		if err := of(p).restore(); err != nil {
			return recovery{}, err
		}
	}
	r.trouble("a cut connection", from.Add(-recordDelay), time.Now().Add(time.Second))
	if !bitten {
		return recovery{}, errNotMet
	}
	return r.progress(ctx), nil
}
