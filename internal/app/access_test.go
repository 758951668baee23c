package app

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/config"
	"github.com/oubli/oubli/internal/httpapi"
	"github.com/oubli/oubli/jobs"
)

func TestATokenStaysValidWhileTheSecretIsChanged(t *testing.T) {
	t.Parallel()
	const older, newer = "the secret of last year, long enough", "the secret of this year, long enough"
	mint := func(secret string) string {
		token, err := httpapi.Mint([]byte(secret), jobs.Caller{Subject: "s", Email: "a@b.example", Tenant: "1", Role: jobs.Admin}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for _, step := range []struct {
		name         string
		environ      []string
		older, newer bool
	}{
		{"before", []string{"OUBLI_AUTH_SECRET=" + older}, true, false},
		{"announced", []string{"OUBLI_AUTH_SECRET=" + older, "OUBLI_AUTH_SECRET_PREVIOUS=" + newer}, true, true},
		{"changed", []string{"OUBLI_AUTH_SECRET=" + newer, "OUBLI_AUTH_SECRET_PREVIOUS=" + older}, true, true},
		{"after", []string{"OUBLI_AUTH_SECRET=" + newer}, false, true},
	} {
		cfg, err := config.Load(step.environ, nil, config.Auth)
		if err != nil {
			t.Fatal(err)
		}
		v, err := httpapi.NewVerifier(verifierOptions(cfg))
		if err != nil {
			t.Fatal(err)
		}
		for secret, want := range map[string]bool{older: step.older, newer: step.newer} {
			if _, err := v.Verify(mint(secret)); want != (err == nil) {
				t.Errorf("%s: a token by %s: %v", step.name, secret, err)
			}
		}
	}
}

func TestTheOpsListenerLooksAtWhereItHasCome(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"127.0.0.1:9090":     true,
		"[::1]:9090":         true,
		"10.0.0.7:9090":      false,
		"[2001:db8::1]:9090": false,
		"0.0.0.0:9090":       false,
	} {
		a, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		s := &Service{}
		if err := s.openTo(operations, a); want != (err == nil) || err != nil && !strings.Contains(err.Error(), "OUBLI_OPS_PASSWORD") {
			t.Errorf("without a password on %s: %v", addr, err)
		}
		s.cfg.OpsPassword = config.NewSecret("x")
		if err := s.openTo(operations, a); err != nil {
			t.Errorf("with a password on %s: %v", addr, err)
		}
	}
}
