package local_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/oubli/oubli/config"
)

// composeFile is what these tests look at of docker-compose.yml.
type composeFile struct {
	Services map[string]struct {
		Command     []string
		Environment map[string]string
		Image       string
		User        string
		Privileged  bool
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		CapAdd      []string `yaml:"cap_add"`
		SecurityOpt []string `yaml:"security_opt"`
		Volumes     []string
		Ports       []string
		Secrets     []string
		Configs     []struct{ Source string }
		Healthcheck map[string]any
		DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
		Deploy      struct{ Replicas int }
	}
	Secrets map[string]struct{ File string }
	Configs map[string]struct{ File string }
}

func TestTheComposeFileHoldsTogether(t *testing.T) {
	t.Parallel()
	c := mustReadCompose(t)
	for _, name := range []string{"postgres", "redis", "mail", "migrate", "serve", "worker"} {
		if _, ok := c.Services[name]; !ok {
			t.Errorf("no service %s", name)
		}
	}
	for name, s := range c.Services {
		if !s.ReadOnly {
			t.Errorf("%s: its file system is writable", name)
		}
		if user, _, _ := strings.Cut(s.User, ":"); user == "" || user == "root" || user == "0" {
			t.Errorf("%s: it runs as root", name)
		}
		if s.Privileged || len(s.CapAdd) > 0 || !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("%s: it has capabilities", name)
		}
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: it may gain privileges", name)
		}
		if _, tag, found := strings.Cut(s.Image, ":"); !found || tag == "latest" {
			t.Errorf("%s: image %q names no version", name, s.Image)
		}
		for _, v := range s.Volumes {
			if strings.HasPrefix(v, "/") || strings.HasPrefix(v, ".") && !strings.HasSuffix(v, ":ro") {
				t.Errorf("%s: volume %s reaches into the host", name, v)
			}
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to the network", name, port)
			}
		}
		for _, secret := range s.Secrets {
			if c.Secrets[secret].File == "" {
				t.Errorf("%s: secret %s is not declared", name, secret)
			}
		}
		for _, cfg := range s.Configs {
			if _, err := os.Stat("../../" + c.Configs[cfg.Source].File); err != nil {
				t.Errorf("%s: config %s: %v", name, cfg.Source, err)
			}
		}
		for other, dependency := range s.DependsOn {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s waits for %s, which is no service", name, other)
			}
			if dependency.Condition == "service_healthy" && c.Services[other].Healthcheck["test"] == nil {
				t.Errorf("%s waits for the health of %s, which has no check", name, other)
			}
		}
	}
	if got := c.Services["worker"].Deploy.Replicas; got != 2 {
		t.Errorf("workers: got %d, want 2", got)
	}
	redis := strings.Join(c.Services["redis"].Command, " ")
	for _, want := range []string{"--appendonly yes", "--maxmemory-policy noeviction"} {
		if !strings.Contains(redis, want) {
			t.Errorf("redis runs without %s: %s", want, redis)
		}
	}
}

func TestTheComposeFileSetsWhatTheProgramReads(t *testing.T) {
	t.Parallel()
	c := mustReadCompose(t)
	files := func(path string) ([]byte, error) {
		switch path {
		case "/run/secrets/database_url":
			return []byte("postgres://booking:secret@postgres:5432/booking?sslmode=disable"), nil
		case "/run/secrets/auth_secret", "/run/secrets/ops_password":
			return []byte(strings.Repeat("0", 48)), nil
		case "/etc/oubli/oubli.yaml":
			return []byte("version: 1\n"), nil
		}
		return nil, fmt.Errorf("%s is not mounted", path)
	}
	all := []config.Need{config.Database, config.Queue, config.Map, config.Auth, config.Mail}
	for service, needs := range map[string][]config.Need{
		"migrate": {config.Database}, "serve": all, "worker": all,
	} {
		s := c.Services[service]
		var environ []string
		for key, value := range s.Environment {
			environ = append(environ, key+"="+value)
			if secret, ok := strings.CutPrefix(value, "/run/secrets/"); ok && !slices.Contains(s.Secrets, secret) {
				t.Errorf("%s: %s names a secret that the service does not get", service, key)
			}
		}
		if _, err := config.Load(environ, files, needs...); err != nil {
			t.Errorf("%s: %v", service, err)
		}
	}
}

func mustReadCompose(t *testing.T) composeFile {
	t.Helper()
	b, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var c composeFile
	// To this parser a key beside a merged one is a duplicate.
	if err := yaml.UnmarshalWithOptions(b, &c, yaml.AllowDuplicateMapKey()); err != nil {
		t.Fatal(err)
	}
	return c
}
