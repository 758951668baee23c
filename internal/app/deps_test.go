package app

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/oubli/oubli/"

// rule says what the packages under a path may import. The first rule whose
// path is the package's own, or is above it, decides.
type rule struct {
	of      string   // package, as a path in this module; "" means all others
	ours    []string // packages of this module
	foreign []string // packages of others, "/..." for all under a path; nil means any
	because string
}

// anything stands for no restriction on other people's modules.
var anything []string

// none stands for the standard library only.
var none = []string{}

var rules = []rule{
	{"jobs", nil, none, "jobs is the vocabulary of everybody else and imports the standard library only"},
	{"config", []string{"internal/loopback"}, anything,
		"config reads the environment and knows no package that uses it, so that internal/app alone connects the two"},
	{"repository", []string{
		"jobs", "internal/backlog", "internal/mixing", "internal/schema", "internal/pgsession", "internal/pgfault", "internal/plan",
		"internal/erasuremap",
	}, anything, "adapters never import each other: what they share is in jobs"},
	{"worker", []string{"jobs"}, []string{
		"github.com/hibiken/asynq", "github.com/redis/go-redis/v9", "github.com/rs/zerolog", "go.opentelemetry.io/otel/...",
	}, "adapters never import each other, and the worker decides without knowing a database: what they share is in jobs"},
	{"mailer", []string{"jobs", "internal/loopback"}, anything, "adapters never import each other: what they share is in jobs"},
	{"internal/httpapi", []string{"jobs", "internal/limit", "internal/loopback"}, anything,
		"adapters never import each other: what they share is in jobs"},
	{"internal/console", []string{"jobs", "internal/loopback"}, []string{"github.com/google/uuid", "github.com/rs/zerolog",
		"golang.org/x/text/..."},
		"adapters never import each other: what they share is in jobs"},
	{"internal/events", []string{"jobs"}, []string{"github.com/rs/zerolog"},
		"adapters never import each other: what they share is in jobs"},
	{"internal/ops", []string{"jobs", "internal/limit", "internal/loopback"}, anything,
		"adapters never import each other: what they share is in jobs"},
	{"internal/loopback", nil, none, "it knows addresses and nothing of what listens there"},
	{"internal/golden", nil, []string{"github.com/google/go-cmp/..."}, "it compares texts, for tests of any package"},
	{"internal/testlog", nil, none, "it keeps text, for tests of any package"},
	{"internal/ledger", []string{"jobs"}, []string{
		"filippo.io/age/...", "github.com/minio/minio-go/v7/...", "github.com/rs/zerolog",
	}, "adapters never import each other: what the ledger asks of a database is an interface of its own"},
	{"internal/replay", []string{"jobs", "internal/ledger"}, none,
		"it decides who is erased again, and asks the store and the ledger for the rest"},
	{"internal/limit", nil, []string{"golang.org/x/time/rate"}, "it counts what callers take, and knows nothing of what that is"},
	{"internal/tracing", nil, anything, "it knows where spans go and nothing of what they are about"},
	{"internal/apiclient", []string{"jobs"}, none, "the client of the HTTP API speaks HTTP and the vocabulary, as any other client would"},
	{"internal/dictionary", nil, none, "it knows words and nothing of databases or maps"},
	{"internal/plan", []string{"jobs", "internal/erasuremap", "internal/dictionary"}, []string{"github.com/jackc/pgx/v5"},
		"plan is pure: of the driver it may use the quoting of identifiers, and nothing that connects"},
	{"internal/pgsession", []string{"jobs", "internal/pgfault"}, []string{"github.com/jackc/pgx/v5/..."},
		"it opens connections and knows no statement that runs on them"},
	{"internal/backlog", []string{"jobs", "internal/pgsession", "internal/pgfault"}, []string{"github.com/jackc/pgx/v5/..."},
		"it finds waiting tasks, and knows nothing of what is done for them"},
	{"internal/mixing", []string{"jobs", "internal/schema", "internal/pgsession", "internal/pgfault", "internal/plan"},
		[]string{"github.com/jackc/pgx/v5/..."}, "it writes rows again that others left, and is a part of no chunk"},
	{"internal/pgfault", []string{"jobs"}, []string{"github.com/jackc/pgx/v5/..."},
		"it translates errors of the driver and knows no statement"},
	{"internal/schema", []string{
		"jobs", "internal/pgsession", "internal/pgfault", "internal/plan", "internal/erasuremap", "internal/mapinit",
	}, []string{"github.com/jackc/pgx/v5/..."}, "it reads somebody's database and knows nothing of the control tables"},
	{"internal/scrub", []string{
		"jobs", "repository", "internal/schema", "internal/pgsession", "internal/pgfault", "internal/plan", "internal/erasuremap",
	}, []string{"github.com/jackc/pgx/v5/..."},
		"it goes on where the store's notes of what was erased end, and serves only the command line"},
	{"internal/mapinit", []string{"jobs", "internal/erasuremap", "internal/dictionary", "internal/plan"},
		[]string{"github.com/jackc/pgx/v5"},
		"mapinit is pure, as plan is"},
	{"internal/schemas", nil, []string{"github.com/goccy/go-yaml/..."}, "it proves maps in tests, and product code does not use it"},
	{"internal/generated", nil, none, "it generates databases and maps and checks from outside, without the code that it checks"},
	{"internal/erasuremap", []string{"jobs"}, []string{"github.com/goccy/go-yaml/..."},
		"the map is a file format and knows neither databases nor those who use it"},
	{"internal/interleaving", []string{"internal/erasuremap"}, []string{"github.com/jackc/pgx/v5/..."},
		"it stands between a program and its database, and knows of the program only the map"},
	{"internal/booking", nil, []string{"github.com/jackc/pgx/v5/..."}, "the booking product knows nothing of oubli, as that of a customer"},
	{"internal/local/withservers", []string{"internal/local", "internal/testdb"}, anything, "tools for tests know no product code"},
	{"internal/local", nil, anything, "servers for tests and for the demo know no product code"},
	{"internal/testdb", []string{"internal/local"}, anything, "tools for tests know no product code"},
	{"internal/model", []string{"jobs"}, none, "a model of the protocol that used its code would share its mistakes"},
	{"internal/bookingdb", []string{
		"internal/booking", "internal/erasuremap", "internal/plan", "internal/schema", "internal/testdb",
		"repository",
	}, anything, "it gives tests a database and looks at it from outside"},
	{"internal/bench/erasing", []string{
		"jobs", "internal/cli", "internal/apiclient", "internal/bench/figures", "internal/booking",
		"internal/local",
	}, anything, "it measures the whole program from outside, as its users meet it"},
	{"internal/bench", []string{
		"jobs", "repository", "internal/bench/figures", "internal/booking", "internal/erasuremap",
		"internal/local",
	}, anything, "a benchmark is a user of the store, and starts servers as the demo does"},
	{"internal/chaos/wire", nil, none, "it is what the fault driver and its processes send each other, so it is a part of neither"},
	{"internal/chaos/child", []string{"jobs", "repository", "worker", "internal/app", "internal/cli", "internal/chaos/wire"}, anything,
		"it is the whole program, built for faults"},
	{"internal/chaos", []string{
		"jobs", "internal/apiclient", "internal/booking", "internal/bookingdb", "internal/chaos",
		"internal/chaos/wire", "internal/httpapi", "internal/local",
	}, anything, "the fault driver looks at oubli from outside: through the API, the database and the mails"},
	{"internal/app", []string{
		"jobs", "config", "mailer", "repository", "worker", "internal/apiclient", "internal/console", "internal/erasuremap",
		"internal/events",
		"internal/httpapi", "internal/ledger", "internal/mapinit", "internal/ops", "internal/plan", "internal/replay",
		"internal/schema",
		"internal/scrub", "internal/tracing",
	}, anything, "app builds the service and knows neither the command line nor the demo, which use it"},
	{"internal/terminal", []string{"jobs"}, anything, "it shows jobs and numbers, and does not know where they come from"},
	{"internal/demo", []string{
		"jobs", "repository", "internal/apiclient", "internal/app", "internal/booking", "internal/erasuremap",
		"internal/httpapi", "internal/local", "internal/schema", "internal/terminal",
	}, anything, "the demo uses the service as a customer does, and the command line starts it"},
	{"internal/cli", []string{
		"jobs", "repository", "internal/apiclient", "internal/app", "internal/demo", "internal/erasuremap",
		"internal/mapinit", "internal/plan", "internal/scrub", "internal/terminal",
	}, anything, "the command line asks app for what needs settings, and never reads them itself"},
	{"internal/e2e", none, none, "it holds tests only"},
	{"cmd/oubli", []string{"internal/cli"}, none, "main is thin, so that tests can run the whole program"},
}

// against explains why a package may not import another; empty when it may.
func against(pkg, imported string) string {
	i := slices.IndexFunc(rules, func(r rule) bool { return pkg == r.of || strings.HasPrefix(pkg, r.of+"/") })
	if i < 0 {
		return fmt.Sprintf("%s has no rule yet: add one that says what it may import, and why", pkg)
	}
	r := rules[i]
	own, ours := strings.CutPrefix(imported, module)
	first, _, _ := strings.Cut(imported, "/")
	switch {
	case ours && (slices.Contains(r.ours, own) || own == pkg):
		return ""
	case ours:
		return r.because
	case !strings.Contains(first, ".") || r.foreign == nil:
		return ""
	}
	for _, pattern := range r.foreign {
		above, all := strings.CutSuffix(pattern, "...")
		if imported == pattern || all && strings.HasPrefix(imported+"/", above) {
			return ""
		}
	}
	return r.because
}

// imports lists what each package imports, tests apart.
func imports(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if pkg := path.Dir(name); !slices.Contains(found[pkg], imported) {
				found[pkg] = append(found[pkg], imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPackagesImportOnlyAlongTheArrows(t *testing.T) {
	t.Parallel()
	found := imports(t, "../..")
	if len(found) < len(rules) {
		t.Errorf("found only %d packages", len(found))
	}
	for pkg, all := range found {
		for _, imported := range all {
			if why := against(pkg, imported); why != "" {
				t.Errorf("%s imports %s: %s", pkg, imported, why)
				break
			}
		}
	}
}

func TestTheArrowsHoldAgainstThoseWhoCrossThem(t *testing.T) {
	t.Parallel()
	for pkg, crossing := range map[string][]string{
		"jobs":                {"github.com/google/uuid", module + "config"},
		"worker":              {module + "repository", module + "mailer", module + "config", "github.com/jackc/pgx/v5"},
		"repository":          {module + "worker", module + "config", module + "internal/httpapi", module + "internal/scrub"},
		"internal/schema":     {module + "repository"},
		"internal/pgfault":    {module + "internal/schema", module + "internal/plan"},
		"mailer":              {module + "repository", module + "config"},
		"internal/httpapi":    {module + "repository", module + "worker", module + "config", module + "internal/app"},
		"internal/plan":       {"github.com/jackc/pgx/v5/pgxpool", "github.com/jackc/pgx/v5/pgconn", module + "repository"},
		"internal/erasuremap": {module + "internal/plan", "github.com/jackc/pgx/v5"},
		"internal/apiclient":  {module + "internal/httpapi"},
		"internal/app":        {module + "internal/testdb", module + "internal/cli", module + "internal/demo", module + "internal/local"},
		"internal/cli":        {module + "config", module + "worker", module + "internal/httpapi"},
		"internal/demo":       {module + "config", module + "internal/cli"},
		"cmd/oubli":           {module + "repository", module + "config", module + "internal/app"},
		"internal/util":       {"fmt"},
	} {
		for _, imported := range crossing {
			if against(pkg, imported) == "" {
				t.Errorf("%s may import %s", pkg, imported)
			}
		}
	}
	why := against("worker", module+"jobs") + against("jobs", "time") +
		against("internal/plan", "github.com/jackc/pgx/v5") + against("cmd/oubli", module+"internal/cli")
	if why != "" {
		t.Errorf("refused although allowed: %s", why)
	}
}
