package config_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/oubli/oubli/config"
)

const marker = "s3cr3t"

// holder has a secret in an unexported field: fmt prints such a field without
// calling its methods.
type holder struct {
	hidden config.Secret
	Redis  config.Redis
	SMTP   config.SMTP
}

func TestASecretDoesNotPrint(t *testing.T) {
	t.Parallel()
	s := config.NewSecret(marker)
	redis, err := config.ParseRedis("redis://:" + marker + "@redis")
	if err != nil {
		t.Fatal(err)
	}
	smtp, err := config.ParseSMTP("smtp://me:" + marker + "@mail")
	if err != nil {
		t.Fatal(err)
	}
	h := holder{s, redis, smtp}
	things := []any{
		s, &s, []config.Secret{s}, map[string]config.Secret{"k": s}, struct{ S config.Secret }{s}, struct{ s config.Secret }{s},
		redis, &redis, smtp, &smtp, h, &h, config.Config{DatabaseURL: s, Redis: redis, SMTP: smtp}, config.Client{Token: s},
	}
	// Try every verb: with a wrong one, fmt prints the operand.
	for verb := 'A'; verb <= 'z'; verb++ {
		for _, flags := range []string{"", "+", "#", "-20", ".3", "0"} {
			for i, thing := range things {
				format := "%" + flags + string(verb)
				if got := fmt.Sprintf(format, thing); leaks(got) {
					t.Errorf("thing %d, %s: %s", i, format, got)
				}
			}
		}
	}
	if got := fmt.Sprint(s) + fmt.Sprintf("%q%x%d", s, s, s); got != "[secret][secret][secret][secret]" {
		t.Errorf("got %s", got)
	}
	if s.Reveal() != marker {
		t.Errorf("Reveal gives %q", s.Reveal())
	}
}

func TestASecretIsNotWrittenByEncodersAndLoggers(t *testing.T) {
	t.Parallel()
	s := config.NewSecret(marker)
	redis, _ := config.ParseRedis("redis://:" + marker + "@redis")
	smtp, _ := config.ParseSMTP("smtp://me:" + marker + "@mail")
	c := config.Config{DatabaseURL: s, Redis: redis, SMTP: smtp}
	var out bytes.Buffer
	for _, v := range []any{s, redis, smtp, c, map[string]any{"k": s}} {
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Error(err)
		}
		_ = xml.NewEncoder(&out).Encode(v) // maps are refused
		log := zerolog.New(&out)
		log.Info().Interface("k", v).Any("a", v).Str("s", fmt.Sprint(v)).Msg("")
		slog.New(slog.NewJSONHandler(&out, nil)).Info("", "k", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("", "k", v)
	}
	log := zerolog.New(&out)
	log.Info().Stringer("k", s).Stringer("r", redis).Fields(map[string]any{"k": s}).Msg("")
	if leaks(out.String()) {
		t.Errorf("got %s", out.String())
	}
}

// leaks looks for the marker as text, hex and bytes.
func leaks(s string) bool {
	s = strings.ToLower(s)
	return strings.Contains(s, marker) || strings.Contains(s, fmt.Sprintf("%x", marker)) ||
		strings.Contains(s, "115 51 99 114 51 116")
}

// The errors of net/url and of most parsers quote the text that they refuse.
func TestAnErrorDoesNotShowASecret(t *testing.T) {
	t.Parallel()
	mistakes := []string{
		"%s", "redis://:%s", "redis://:%s@redis:x", "redis://:%s@redis/x", "redis://:%s@re dis", "redis://:%s%%zz@redis", "redis://u:%s@a,b",
		"postgres//u:%s@db", "mysql://u:%s@db", "smtp://u:%s@mail:port", "smtp://u:%s@mail?tls=%s", "smtp://u:a/%s@mail",
		"redis-cluster://u:%s@a:1:2", "redis-sentinel://u:%s@a", "http://%s@[::1", "\x7f%s", " %s", "%s\n",
	}
	keys := []string{"DATABASE_URL", "REDIS_URL", "SMTP_URL", "AUTH_SECRET", "OPS_PASSWORD"}
	for _, mistake := range mistakes {
		value := strings.ReplaceAll(mistake, "%s", marker)
		for _, key := range keys {
			for _, env := range [][]string{
				{"OUBLI_" + key + "=" + value},
				{"OUBLI_" + key + "_FILE=" + value},
				{"OUBLI_" + key + "_FILE=/file"},
				{"OUBLI_" + key + "=x", "OUBLI_" + key + "_FILE=" + value},
			} {
				env = append(env, "OUBLI_OPS_LISTEN=:1", "OUBLI_AUTH_PUBLIC_KEY_FILE="+value)
				c, err := config.Load(env, files{"/file": value}.read, config.Database, config.Queue, config.Auth, config.Signing, config.Mail)
				if got := fmt.Sprintf("%v %+v", err, err); leaks(got) {
					t.Errorf("%q shows %s", env, got)
				}
				c.AuthPublicKeyFile = "" // a path, which may be shown
				if got := fmt.Sprintf("%+v", c); leaks(got) {
					t.Errorf("%q prints %s", env, got)
				}
			}
		}
	}
}
