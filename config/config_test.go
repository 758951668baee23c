package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/oubli/oubli/config"
)

var needs = map[string]config.Need{
	"database": config.Database, "queue": config.Queue, "map": config.Map,
	"auth": config.Auth, "signing": config.Signing, "mail": config.Mail,
	"ledger": config.Ledger,
}

// files serves the sections of a testdata archive as a file system.
type files map[string]string

func (f files) read(name string) ([]byte, error) {
	if content, ok := f[name]; ok {
		return []byte(content), nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// The name of each archive in testdata says what is tested. Its section "want" is
// the expected error, empty if the environment is valid.
func TestEnvironmentsAreJudgedAsTheirFilesSay(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f := files{}
			for _, section := range archive.Files {
				f[section.Name] = string(section.Data)
			}
			var need []config.Need
			for _, n := range strings.Fields(f["needs"]) {
				need = append(need, needs[n])
			}
			_, err = config.Load(strings.Split(f["env"], "\n"), f.read, need...)
			got := ""
			if err != nil {
				got = err.Error() + "\n"
			}
			if got != f["want"] {
				t.Errorf("got:\n%s\nwant:\n%s", got, f["want"])
			}
			if strings.Contains(got, "s3cr3t") {
				t.Errorf("the error shows a secret:\n%s", got)
			}
		})
	}
}

func TestDefaultsAreAsDocumented(t *testing.T) {
	t.Parallel()
	c, err := config.Load(nil, files{}.read)
	if err != nil {
		t.Fatal(err)
	}
	if c.Map != "oubli.yaml" || c.Listen != ":8080" || c.OpsListen != "127.0.0.1:9090" || c.DashboardWritable || c.LogLevel != "info" {
		t.Errorf("got %+v", c)
	}
	if c.BatchClients != 1000 || c.ChunkTarget != 100*time.Millisecond || c.Grace != 0 || c.Concurrency != max(2, runtime.NumCPU()) {
		t.Errorf("got %+v", c)
	}
	if c.LimitRequests != 200 || c.LimitBytes != 8<<20 || c.LimitFailures != 60 || !c.AuthSecretPrevious.Empty() {
		t.Errorf("got %+v", c)
	}
	if c.Redis.Asynq() != nil || c.Redis.NewClient() != nil || c.SMTP.Host != "" || !c.DatabaseURL.Empty() {
		t.Errorf("servers have defaults: %+v", c)
	}
}

func TestValuesArriveInTheirFields(t *testing.T) {
	t.Parallel()
	f := files{
		"/db":   "postgres://oubli:pw@db/booking\n",
		"/auth": "  0123456789abcdef0123456789abcdef\n\n",
		"/ops":  "windows\r\n",
	}
	c, err := config.Load([]string{
		"OUBLI_DATABASE_URL_FILE=/db", "OUBLI_AUTH_SECRET_FILE=/auth", "OUBLI_OPS_PASSWORD_FILE=/ops",
		"OUBLI_REDIS_URL=redis://redis", "OUBLI_SMTP_URL=smtp://mail?tls=none",
		"OUBLI_PUBLIC_URL=https://studio.example.com/privacy/", "OUBLI_BATCH_CLIENTS=7", "OUBLI_GRACE=90m",
	}, f.read)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct{ what, got, want string }{
		{"database url", c.DatabaseURL.Reveal(), "postgres://oubli:pw@db/booking"},
		{"auth secret, less one newline", c.AuthSecret.Reveal(), "  0123456789abcdef0123456789abcdef\n"},
		{"ops password", c.OpsPassword.Reveal(), "windows"},
		{"redis", strings.Join(c.Redis.Hosts(), " "), "redis:6379"},
		{"smtp", c.SMTP.Host, "mail"},
		{"public url", c.PublicURL, "https://studio.example.com/privacy"},
		{"grace", c.Grace.String(), "1h30m0s"},
	} {
		if v.got != v.want {
			t.Errorf("%s: got %q, want %q", v.what, v.got, v.want)
		}
	}
	if c.BatchClients != 7 {
		t.Errorf("batch clients: got %d, want 7", c.BatchClients)
	}
}

func TestProblemsCanBeReadOneByOne(t *testing.T) {
	t.Parallel()
	_, err := config.Load([]string{"OUBLI_BATCH_CLIENTS=0", "OUBLI_GRACE=x"}, os.ReadFile)
	p, ok := errors.AsType[*config.Problems](err)
	if !ok || len(p.Lines) != 2 || !strings.HasPrefix(p.Lines[0], "OUBLI_BATCH_CLIENTS: ") {
		t.Errorf("got %#v", err)
	}
}

func TestTheClientNeedsAToken(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name string
		env  []string
		want string
	}{
		{"nothing", nil, "OUBLI_TOKEN: not set; want a bearer token (or its file in OUBLI_TOKEN_FILE)"},
		{"a good one", []string{"OUBLI_TOKEN=a.b.c"}, ""},
		{"a server's settings beside it", []string{"OUBLI_TOKEN=a.b.c", "OUBLI_LISTEN=nonsense"}, ""},
		{"a line break in it", []string{"OUBLI_TOKEN=a.b.c\nX-Evil: 1"}, "OUBLI_TOKEN: want a bearer token"},
		{"a URL that is none", []string{"OUBLI_TOKEN=a.b.c", "OUBLI_URL=localhost:8080"},
			"OUBLI_URL: want http://host:port or https://host, without user, query and fragment, got localhost:8080"},
		{"a misspelt key", []string{"OUBLI_TOKN=a.b.c"},
			"OUBLI_TOKEN: not set; want a bearer token (or its file in OUBLI_TOKEN_FILE)\n" +
				"OUBLI_TOKN: unknown key; the most similar known key is OUBLI_TOKEN"},
	} {
		c, err := config.LoadClient(v.env, files{}.read)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != v.want {
			t.Errorf("%s: got %q, want %q", v.name, got, v.want)
		}
		if err == nil && c.URL != "http://127.0.0.1:8080" {
			t.Errorf("%s: got URL %q", v.name, c.URL)
		}
	}
}

func TestOnlyThisMachineIsOnLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "localhost:1"} {
		if !config.OnLoopback(addr) {
			t.Errorf("%s is on loopback", addr)
		}
	}
	open := []string{":1", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "db:1", "127.0.0.1.example.com:1", "127.0.0.1"}
	if i := slices.IndexFunc(open, config.OnLoopback); i >= 0 {
		t.Errorf("%s is not on loopback", open[i])
	}
}
