package local

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
)

// RedisOptions says what kind of Redis to start. The zero value keeps nothing
// on disk.
type RedisOptions struct {
	// AppendOnly keeps the data across Stop, Kill and Start in an append-only
	// file that is flushed every second.
	AppendOnly bool
}

// Redis is a private Redis server. Its methods, except URL and String, are not
// safe for concurrent use.
type Redis struct {
	port     int
	password string
	server   interface {
		start(ctx context.Context, r *Redis) error
		stop()
		kill()
		close() error
		fmt.Stringer
	}
	inProcess bool
}

// StartRedis runs the installed redis-server, or valkey-server. It returns a
// *MissingError when the machine has neither.
func StartRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	program, err := findRedis()
	if err != nil {
		return nil, err
	}
	d, err := openServerDir("redis", "KILL")
	if err != nil {
		return nil, fmt.Errorf("start Redis: %w", err)
	}
	r := &Redis{password: rand.Text(), server: &redisServer{dir: d, program: program, options: o}}
	err = onFreePort(ctx, func(port int) error {
		r.port = port
		return r.Start(ctx)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start Redis: %w", err), r.Close())
	}
	return r, nil
}

func findRedis() (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		for _, dir := range []string{"", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/opt/homebrew/bin/"} {
			if path, err := exec.LookPath(dir + name); err == nil {
				return path, nil
			}
		}
	}
	return "", &MissingError{What: []Program{RedisServer}}
}

// URL returns the URL of a database number on the server.
func (r *Redis) URL(database int) string {
	return fmt.Sprintf("redis://:%s@%s/%d", r.password, address(r.port), database)
}

// String names the server, as "redis-server" or "miniredis, in process".
func (r *Redis) String() string { return r.server.String() }

// InProcess reports whether StartMiniredis made this server.
func (r *Redis) InProcess() bool { return r.inProcess }

// Start runs the server again, on the same port, after Stop or Kill. StartRedis
// has already started it once.
func (r *Redis) Start(ctx context.Context) error { return r.server.start(ctx, r) }

// Stop shuts the server down cleanly. The data is lost unless AppendOnly.
func (r *Redis) Stop() { r.server.stop() }

// Kill ends the server as kill -9 does.
func (r *Redis) Kill() { r.server.kill() }

// Close ends the server and removes its data. It may be called more than once.
func (r *Redis) Close() error { return r.server.close() }

// ping writes the protocol itself: a client library would log every attempt
// before the server is up.
func (r *Redis) ping(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", address(r.port))
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	// The password shows that this is our server and no other on that port.
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\nPING\r\n", r.password); err != nil {
		return err
	}
	replies := bufio.NewScanner(conn)
	for _, want := range []string{"+OK", "+PONG"} {
		if !replies.Scan() {
			return errors.Join(errors.New("no answer to PING"), replies.Err())
		}
		if got := replies.Text(); got != want {
			return fmt.Errorf("PING was answered by %q", got)
		}
	}
	return nil
}

type redisServer struct {
	dir     *serverDir
	program string
	options RedisOptions
}

func (s *redisServer) start(ctx context.Context, r *Redis) error {
	appendOnly := "no"
	if s.options.AppendOnly {
		appendOnly = "yes"
	}
	config := []string{
		"bind 127.0.0.1",
		fmt.Sprintf("port %d", r.port),
		"requirepass " + r.password,
		fmt.Sprintf("dir %q", s.dir.root),
		`save ""`,
		"appendonly " + appendOnly,
		"appendfsync everysec",
		"maxmemory-policy noeviction",
		"daemonize no",
	}
	// A file, not arguments: every account can see the arguments.
	if err := s.dir.write("redis.conf", strings.Join(config, "\n")+"\n"); err != nil {
		return err
	}
	proc, err := s.dir.spawn(s.program, s.dir.path("redis.conf"))
	if err != nil {
		return err
	}
	if err := await(ctx, proc, r.ping); err != nil {
		s.kill()
		return fmt.Errorf("%w: %s", err, s.dir.logTail())
	}
	return nil
}

func (s *redisServer) stop()          { s.dir.stop(syscall.SIGTERM) }
func (s *redisServer) kill()          { s.dir.stop(syscall.SIGKILL) }
func (s *redisServer) close() error   { return s.dir.close(syscall.SIGKILL) }
func (s *redisServer) String() string { return "redis-server" }
