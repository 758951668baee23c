package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// conf is one redis-server of several, with the lines of its configuration file. It
// has no password.
type conf struct {
	dir     *serverDir
	program string
	lines   []string
	port    int
}

func startConf(ctx context.Context, program, name string, lines ...string) (*conf, error) {
	d, err := openServerDir(name, "KILL")
	if err != nil {
		return nil, err
	}
	c := &conf{dir: d, program: program, lines: lines}
	err = onFreePort(ctx, func(port int) error {
		c.port = port
		return c.start(ctx)
	})
	if err != nil {
		return nil, errors.Join(err, d.close(syscall.SIGKILL))
	}
	return c, nil
}

func (c *conf) start(ctx context.Context) error {
	lines := append(
		[]string{"bind 127.0.0.1", fmt.Sprintf("port %d", c.port), fmt.Sprintf("dir %q", c.dir.root), `save ""`, "daemonize no"},
		c.lines...)
	if err := c.dir.write("redis.conf", strings.Join(lines, "\n")+"\n"); err != nil {
		return err
	}
	args := []string{c.dir.path("redis.conf")}
	if strings.HasPrefix(c.lines[0], "sentinel ") {
		args = append(args, "--sentinel")
	}
	proc, err := c.dir.spawn(c.program, args...)
	if err != nil {
		return err
	}
	err = await(ctx, proc, func(ctx context.Context) error {
		// The client logs every failed attempt to connect.
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", c.addr())
		if err != nil {
			return err
		}
		_, err = c.ask(ctx, "PING")
		return errors.Join(err, conn.Close())
	})
	if err != nil {
		c.dir.stop(syscall.SIGKILL)
		return fmt.Errorf("%w: %s", err, c.dir.logTail())
	}
	return nil
}

func (c *conf) addr() string { return address(c.port) }

// ask sends one command, whose words are separated by spaces, and returns the
// answer as text.
func (c *conf) ask(ctx context.Context, command string) (string, error) {
	client := redis.NewClient(&redis.Options{Addr: c.addr(), MaxRetries: -1, DialerRetries: 1, DisableIdentity: true})
	defer client.Close()
	var words []any
	for word := range strings.FieldsSeq(command) {
		words = append(words, word)
	}
	answer, err := client.Do(ctx, words...).Result()
	if err != nil {
		return "", fmt.Errorf("%s: %w", words[0], err)
	}
	return fmt.Sprint(answer), nil
}

// until repeats a command until its answer is as wanted.
func (c *conf) until(ctx context.Context, command string, right func(answer string) bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, err := c.ask(ctx, command)
		if err == nil && right(answer) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; the last answer was %q, %w", command, ctx.Err(), answer, err)
		case <-tick.C:
		}
	}
}

// RedisCluster is a private Redis Cluster of three masters without replicas.
type RedisCluster struct{ nodes []*conf }

// StartRedisCluster runs three installed redis-servers as one cluster. It
// returns a *MissingError when the machine has none.
func StartRedisCluster(ctx context.Context) (_ *RedisCluster, err error) {
	program, err := findRedis()
	if err != nil {
		return nil, err
	}
	c := &RedisCluster{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start Redis Cluster: %w", err), c.Close())
		}
	}()
	const slots = 16384
	for range 3 {
		// The bus needs a port of its own. The default is the server's port + 10000,
		// which may be among those that systems use for outgoing connections.
		bus, err := freePort()
		if err != nil {
			return nil, err
		}
		n, err := startConf(ctx, program, "redis", "cluster-enabled yes", "cluster-node-timeout 2000", "appendonly yes",
			"cluster-require-full-coverage no", fmt.Sprintf("cluster-port %d", bus))
		if err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, n)
		i := len(c.nodes) - 1
		for _, command := range []string{
			fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", slots*i/3, slots*(i+1)/3-1),
			fmt.Sprintf("CLUSTER SET-CONFIG-EPOCH %d", i+1),
			fmt.Sprintf("CLUSTER MEET 127.0.0.1 %d %s", c.nodes[0].port, busOf(c.nodes[0])),
		} {
			if i == 0 && strings.HasPrefix(command, "CLUSTER MEET") {
				continue
			}
			if _, err := n.ask(ctx, command); err != nil {
				return nil, err
			}
		}
	}
	for _, n := range c.nodes {
		if err := n.until(ctx, "CLUSTER INFO", func(s string) bool {
			return strings.Contains(s, "cluster_state:ok") && strings.Contains(s, "cluster_slots_ok:16384") &&
				strings.Contains(s, "cluster_known_nodes:3")
		}); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func busOf(c *conf) string {
	for _, l := range c.lines {
		if bus, found := strings.CutPrefix(l, "cluster-port "); found {
			return bus
		}
	}
	return ""
}

// URL returns a value for OUBLI_REDIS_URL.
func (c *RedisCluster) URL() string {
	var hosts []string
	for _, n := range c.nodes {
		hosts = append(hosts, n.addr())
	}
	return "redis-cluster://" + strings.Join(hosts, ",")
}

// NodeOf returns the node that has the hash slot of a key.
func (c *RedisCluster) NodeOf(ctx context.Context, key string) (int, error) {
	slot, err := c.nodes[0].ask(ctx, "CLUSTER KEYSLOT "+key)
	if err != nil {
		return 0, err
	}
	var n int
	if _, err := fmt.Sscan(slot, &n); err != nil {
		return 0, err
	}
	const slots = 16384
	for i := range c.nodes {
		if n < slots*(i+1)/3 {
			return i, nil
		}
	}
	return 0, fmt.Errorf("slot %d", n)
}

// Kill ends a node as kill -9 does; Start runs it again with what it had.
func (c *RedisCluster) Kill(node int) { c.nodes[node].dir.stop(syscall.SIGKILL) }

// Start runs a node again after Kill, and waits until the cluster is complete.
func (c *RedisCluster) Start(ctx context.Context, node int) error {
	if err := c.nodes[node].start(ctx); err != nil {
		return err
	}
	return c.nodes[node].until(ctx, "CLUSTER INFO", func(s string) bool { return strings.Contains(s, "cluster_state:ok") })
}

// Close ends the nodes and removes their data. It may be called more than once.
func (c *RedisCluster) Close() error {
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, n.dir.close(syscall.SIGKILL))
	}
	return errors.Join(errs...)
}
