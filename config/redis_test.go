package config_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/oubli/oubli/config"
)

func TestRedisURLsBecomeWhatAsynqWants(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]asynq.RedisConnOpt{
		"redis://localhost":                 asynq.RedisClientOpt{Addr: "localhost:6379"},
		"redis://localhost:7000/2":          asynq.RedisClientOpt{Addr: "localhost:7000", DB: 2},
		"redis://me:p%40ss@redis:1":         asynq.RedisClientOpt{Addr: "redis:1", Username: "me", Password: "p@ss"},
		"redis://:pw@[::1]":                 asynq.RedisClientOpt{Addr: "[::1]:6379", Password: "pw"},
		"redis://[::1]:7000/":               asynq.RedisClientOpt{Addr: "[::1]:7000"},
		"redis-cluster://a,b:7000":          asynq.RedisClusterClientOpt{Addrs: []string{"a:6379", "b:7000"}},
		"redis-cluster://u:p@a:1,b:2":       asynq.RedisClusterClientOpt{Addrs: []string{"a:1", "b:2"}, Username: "u", Password: "p"},
		"redis-sentinel://a,b:1/mymaster":   asynq.RedisFailoverClientOpt{MasterName: "mymaster", SentinelAddrs: []string{"a:26379", "b:1"}},
		"redis-sentinel://a?master=m&db=3":  asynq.RedisFailoverClientOpt{MasterName: "m", SentinelAddrs: []string{"a:26379"}, DB: 3},
		"redis-sentinel://:p@a/m?tls=false": asynq.RedisFailoverClientOpt{MasterName: "m", SentinelAddrs: []string{"a:26379"}, Password: "p"},
		"redis-sentinel://a/m?sentinel_username=u&sentinel_password=s": asynq.RedisFailoverClientOpt{
			MasterName: "m", SentinelAddrs: []string{"a:26379"}, SentinelUsername: "u", SentinelPassword: "s"},
	} {
		r, err := config.ParseRedis(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got := r.Asynq(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", url, got, want)
		}
	}
}

func TestRedisWithTLSVerifiesTheHostThatWasNamed(t *testing.T) {
	t.Parallel()
	r, err := config.ParseRedis("rediss://redis.example.com")
	if err != nil {
		t.Fatal(err)
	}
	opt, ok := r.Asynq().(asynq.RedisClientOpt)
	if !ok || opt.TLSConfig == nil || opt.TLSConfig.ServerName != "redis.example.com" || opt.TLSConfig.InsecureSkipVerify {
		t.Errorf("got %+v", opt)
	}
	r, err = config.ParseRedis("redis-cluster://a,b?tls=true")
	if err != nil {
		t.Fatal(err)
	}
	// If ServerName were set, the certificate of the second node would be refused.
	if opt, ok := r.Asynq().(asynq.RedisClusterClientOpt); !ok || opt.TLSConfig == nil || opt.TLSConfig.ServerName != "" {
		t.Errorf("got %+v", opt)
	}
}

func TestRedisURLsThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "localhost", "localhost:6379", "http://localhost", "redis:", "redis://", "redis:///1", "redis://a,b", "redis://a/x", "redis://a/-1",
		"redis://a:0", "redis://a:65536", "redis://a:1:2", "redis://::1", "redis://a/0?db=1", "redis://a#f", "redis://a b", "redis://a%zz",
		"redis-cluster://", "redis-cluster://a,", "redis-cluster://a/1", "redis-cluster://a?tls=yes", "redis-cluster://a?tls=true&tls=false",
		"redis-sentinel://a", "redis-sentinel://a/m?db=x", "redis-sentinel://a/m?nonsense=1", "redis-sentinel://a/m?a;b",
	} {
		if r, err := config.ParseRedis(url); err == nil {
			t.Errorf("%q is accepted as %+v", url, r.Asynq())
		}
	}
}

func TestRedisClientsAreOfTheKindThatTheURLNames(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]redis.UniversalClient{
		"redis://a": &redis.Client{}, "redis-sentinel://a/m": &redis.Client{}, "redis-cluster://a,b": &redis.ClusterClient{},
	} {
		r, err := config.ParseRedis(url)
		if err != nil {
			t.Fatal(err)
		}
		c := r.NewClient()
		if reflect.TypeOf(c) != reflect.TypeOf(want) {
			t.Errorf("%s: got %T, want %T", url, c, want)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s: close: %v", url, err)
		}
	}
}

func TestSMTPURLsAreRead(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]config.SMTP{
		"smtp://mail":                    {Host: "mail", Port: 587, TLS: config.TLSMandatory},
		"smtp://mail:25?tls=none":        {Host: "mail", Port: 25, TLS: config.TLSNone},
		"smtp://mail/?tls=opportunistic": {Host: "mail", Port: 587, TLS: config.TLSOpportunistic},
		"smtp://me%40x.org:p@mail": {
			Host: "mail", Port: 587, TLS: config.TLSMandatory, Username: "me@x.org", Password: config.NewSecret("p")},
		"smtps://me:a%2Fb@mail":      {Host: "mail", Port: 465, TLS: config.TLSImplicit, Username: "me", Password: config.NewSecret("a/b")},
		"smtps://[2001:db8::1]:2465": {Host: "2001:db8::1", Port: 2465, TLS: config.TLSImplicit},
	} {
		got, err := config.ParseSMTP(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got.Password.Reveal() != want.Password.Reveal() {
			t.Errorf("%s: got password %q", url, got.Password.Reveal())
		}
		got.Password, want.Password = config.Secret{}, config.Secret{}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", url, got, want)
		}
	}
	for _, url := range []string{
		"", "mail", "mail:25", "http://mail", "smtp://", "smtp://a,b", "smtp://mail/inbox", "smtp://mail?tls=",
		"smtp://mail?tls=always", "smtps://mail?tls=none", "smtp://mail?x=1",
	} {
		if got, err := config.ParseSMTP(url); err == nil {
			t.Errorf("%q is accepted as %+v", url, got)
		}
	}
}

// FuzzURLs looks for panics, for errors that quote the URL, and for URLs that are
// accepted although they cannot be used.
func FuzzURLs(f *testing.F) {
	for _, seed := range []string{
		"redis://u:p@h:1/0", "rediss://h", "redis-cluster://a,b:1?tls=true", "redis-sentinel://[::1]:1,b/m?db=1",
		"smtp://u:p@h?tls=none", "smtps://h", "redis://%", "://", "redis://@",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if r, err := config.ParseRedis(raw); err == nil {
			if r.Asynq() == nil || len(r.Hosts()) == 0 {
				t.Errorf("%q is accepted and cannot be used", raw)
			}
		} else if len(raw) > 3 && strings.Contains(err.Error(), raw) && !strings.Contains("unknown scheme; not a valid URL", raw) {
			t.Errorf("the error quotes %q", raw)
		}
		if s, err := config.ParseSMTP(raw); err == nil && (s.Host == "" || s.Port < 1 || s.Port > 65535 || s.TLS == "") {
			t.Errorf("%q is accepted as %+v", raw, s)
		}
	})
}
