package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Redis is the address of Redis. Like a [Secret] it cannot be printed, because its
// URL may contain a password.
type Redis struct{ url Secret }

// ParseRedis reads
//
//	redis://[user:password@]host[:6379][/0]
//	rediss://…                                   the same with TLS
//	redis-sentinel://[user:password@]host1[:26379],host2/master[?db=0]
//	redis-cluster://[user:password@]host1[:6379],host2
//
// With Sentinel, user and password are those of Redis. Those of the sentinels are
// the query parameters sentinel_username and sentinel_password; the name of the
// master may be in the query too, as master. For Sentinel and Cluster, tls=true in
// the query means TLS, as rediss:// does for one server. asynq's own parser is not
// used, because it ignores user names and does not support a cluster. Errors do not
// quote the URL.
func ParseRedis(raw string) (Redis, error) {
	if _, err := redisOptions(raw); err != nil {
		return Redis{}, err
	}
	return Redis{NewSecret(raw)}, nil
}

// UnmarshalText calls [ParseRedis].
func (r *Redis) UnmarshalText(b []byte) (err error) {
	*r, err = ParseRedis(string(b))
	return err
}

// Asynq returns the options for asynq's constructors; nil for the zero Redis.
func (r Redis) Asynq() asynq.RedisConnOpt {
	opt, err := redisOptions(r.url.Reveal())
	if err != nil {
		return nil
	}
	return opt
}

// NewClient returns a new client, which the caller must close; nil for the zero
// Redis. It does not connect yet.
func (r Redis) NewClient() redis.UniversalClient {
	opt := r.Asynq()
	if opt == nil {
		return nil
	}
	return opt.MakeRedisClient().(redis.UniversalClient)
}

// Hosts returns the addresses in the URL, for messages.
func (r Redis) Hosts() []string {
	h, _ := parseHosts(r.url.Reveal(), redisPort(r.url.Reveal()))
	return h.Hosts
}

// String does not return the URL.
func (r Redis) String() string { return redacted }

// Format does not write the URL, whatever the verb.
func (r Redis) Format(f fmt.State, verb rune) { r.url.Format(f, verb) }

// MarshalText does not return the URL.
func (r Redis) MarshalText() ([]byte, error) { return r.url.MarshalText() }

func redisPort(raw string) string {
	if strings.HasPrefix(raw, "redis-sentinel:") {
		return "26379"
	}
	return "6379"
}

func redisOptions(raw string) (asynq.RedisConnOpt, error) {
	h, err := parseHosts(raw, redisPort(raw))
	if err != nil {
		return nil, err
	}
	switch h.Scheme {
	case "redis", "rediss":
		return h.single()
	case "redis-sentinel":
		return h.sentinel()
	case "redis-cluster":
		return h.cluster()
	}
	return nil, errors.New("unknown scheme")
}

func (h hostsURL) single() (asynq.RedisConnOpt, error) {
	db, ok := dbNumber(h.Path)
	if len(h.Hosts) != 1 || !ok || !h.only() {
		return nil, errURL
	}
	opt := asynq.RedisClientOpt{Addr: h.Hosts[0], Username: h.Username, Password: h.Password, DB: db}
	if h.Scheme == "rediss" {
		opt.TLSConfig = tlsFor(h.Hosts)
	}
	return opt, nil
}

func (h hostsURL) sentinel() (asynq.RedisConnOpt, error) {
	db, ok := dbNumber(h.Query.Get("db"))
	master := h.Path
	if master == "" {
		master = h.Query.Get("master")
	}
	if !ok || master == "" || !h.validTLS() || !h.only("db", "master", "tls", "sentinel_username", "sentinel_password") {
		return nil, errURL
	}
	opt := asynq.RedisFailoverClientOpt{
		MasterName: master, SentinelAddrs: h.Hosts,
		SentinelUsername: h.Query.Get("sentinel_username"), SentinelPassword: h.Query.Get("sentinel_password"),
		Username: h.Username, Password: h.Password, DB: db,
	}
	if h.Query.Get("tls") == "true" {
		opt.TLSConfig = tlsFor(h.Hosts)
	}
	return opt, nil
}

// cluster refuses a path: a Redis cluster has database 0 only.
func (h hostsURL) cluster() (asynq.RedisConnOpt, error) {
	if h.Path != "" || !h.validTLS() || !h.only("tls") {
		return nil, errURL
	}
	opt := asynq.RedisClusterClientOpt{Addrs: h.Hosts, Username: h.Username, Password: h.Password}
	if h.Query.Get("tls") == "true" {
		opt.TLSConfig = tlsFor(h.Hosts)
	}
	return opt, nil
}

func (h hostsURL) validTLS() bool {
	return slices.Contains([]string{"", "true", "false"}, h.Query.Get("tls"))
}

// dbNumber reads the number of a database. Empty means 0.
func dbNumber(s string) (int, bool) {
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err == nil
}

// tlsFor sets ServerName only if there is one host. If there are several, crypto/tls
// checks each certificate against the host of the connection.
func tlsFor(hosts []string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(hosts) == 1 {
		c.ServerName, _, _ = net.SplitHostPort(hosts[0])
	}
	return c
}
