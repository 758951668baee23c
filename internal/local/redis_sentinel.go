package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// RedisSentinel is a private Redis master with a replica, and three sentinels
// that watch over them.
type RedisSentinel struct {
	servers   [2]*conf // the master at first is servers[0]
	sentinels []*conf
}

// sentinelMaster is the sentinels' name for the master.
const sentinelMaster = "oubli"

// StartRedisSentinel runs five installed redis-servers. It returns a
// *MissingError when the machine has none.
func StartRedisSentinel(ctx context.Context) (_ *RedisSentinel, err error) {
	program, err := findRedis()
	if err != nil {
		return nil, err
	}
	s := &RedisSentinel{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start Redis Sentinel: %w", err), s.Close())
		}
	}()
	if s.servers[0], err = startConf(ctx, program, "redis", "appendonly no", "repl-diskless-sync-delay 0"); err != nil {
		return nil, err
	}
	replicaOf := fmt.Sprintf("replicaof 127.0.0.1 %d", s.servers[0].port)
	if s.servers[1], err = startConf(ctx, program, "redis", "appendonly no", "repl-diskless-sync-delay 0", replicaOf); err != nil {
		return nil, err
	}
	err = s.servers[1].until(ctx, "INFO replication", func(a string) bool { return strings.Contains(a, "master_link_status:up") })
	if err != nil {
		return nil, err
	}
	for range 3 {
		n, err := startConf(ctx, program, "redis",
			fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", sentinelMaster, s.servers[0].port),
			"sentinel down-after-milliseconds "+sentinelMaster+" 1000", "sentinel failover-timeout "+sentinelMaster+" 5000")
		if err != nil {
			return nil, err
		}
		s.sentinels = append(s.sentinels, n)
	}
	for _, n := range s.sentinels {
		// No replica can be elected before all sentinels know each other and it.
		if err := n.until(ctx, "INFO sentinel", func(a string) bool {
			return strings.Contains(a, "status=ok,") && strings.Contains(a, "slaves=1,sentinels=3")
		}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// URL returns a value for OUBLI_REDIS_URL.
func (s *RedisSentinel) URL() string {
	var hosts []string
	for _, n := range s.sentinels {
		hosts = append(hosts, n.addr())
	}
	return "redis-sentinel://" + strings.Join(hosts, ",") + "/" + sentinelMaster
}

// KillMaster ends the first master as kill -9 does, and waits until the
// sentinels have made the replica the master.
func (s *RedisSentinel) KillMaster(ctx context.Context) error {
	s.servers[0].dir.stop(syscall.SIGKILL)
	want := fmt.Sprintf("address=%s,", s.servers[1].addr())
	for _, n := range s.sentinels {
		if err := n.until(ctx, "INFO sentinel", func(a string) bool { return strings.Contains(a, want) }); err != nil {
			return err
		}
	}
	return s.servers[1].until(ctx, "INFO replication", func(a string) bool { return strings.Contains(a, "role:master") })
}

// Close ends all and removes their data. It may be called more than once.
func (s *RedisSentinel) Close() error {
	var errs []error
	for _, n := range append(s.sentinels, s.servers[:]...) {
		if n != nil {
			errs = append(errs, n.dir.close(syscall.SIGKILL))
		}
	}
	return errors.Join(errs...)
}
