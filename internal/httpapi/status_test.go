package httpapi

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

func TestEveryKindOfErrorHasItsStatus(t *testing.T) {
	t.Parallel()
	want := map[jobs.ErrorKind]int{
		jobs.Internal: 500, jobs.Malformed: 400, jobs.Unauthenticated: 401, jobs.Forbidden: 403, jobs.Missing: 404,
		jobs.Conflict: 409, jobs.TooLarge: 413, jobs.Invalid: 422, jobs.Unavailable: 503,
	}
	if len(kinds) != len(jobs.ErrorKinds()) {
		t.Errorf("%d kinds of error, %d in the table", len(jobs.ErrorKinds()), len(kinds))
	}
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Admin)
	for _, kind := range jobs.ErrorKinds() {
		b.store.mu.Lock()
		b.store.fail = fmt.Errorf("accept: %w", &jobs.Error{Kind: kind})
		b.store.mu.Unlock()
		a := b.ask(t, "POST", "/v1/erasures", token, goodBody, "Idempotency-Key: k")
		p := a.problem(t)
		if a.StatusCode != want[kind] || p.Code != kinds[kind].code {
			t.Errorf("%s: got %d %s, want %d", kind, a.StatusCode, a.body, want[kind])
		}
		if hidden := kind == jobs.Internal || kind == jobs.Unavailable; hidden != strings.Contains(b.log.String(), p.RequestID+`","code"`) {
			t.Errorf("%s: the log says\n%s", kind, b.log)
		}
	}
}

// These codes have a status other than their kind's, because HTTP has a more exact
// one.
var ownStatuses = map[string]int{
	"method_not_allowed": 405, "body_timeout": 408, "unsupported_media_type": 415, "too_many_requests": 429, "too_many_waiting": 429,
	"request_cancelled": 499,
}

func TestEveryCodeOfTheTableHasTheStatusOfItsKind(t *testing.T) {
	t.Parallel()
	for name, c := range codes {
		want := kinds[c.kind].status
		if own := ownStatuses[name]; own != 0 {
			want = own
		}
		p := newProblem(name, "")
		if p.Status != want || p.Code != name || p.Title == "" || p.Title != title(want) || c.meaning == "" {
			t.Errorf("%s: %+v, want status %d and a title", name, p, want)
		}
		if (p.GetHeaders().Get("Retry-After") != "") != (c.retry != "") {
			t.Errorf("%s: headers %v, want Retry-After %q", name, p.GetHeaders(), c.retry)
		}
	}
	for _, kind := range jobs.ErrorKinds() {
		if got := statusOf(kind, "a code that nobody listed"); got != kinds[kind].status {
			t.Errorf("an unlisted code of kind %s: status %d", kind, got)
		}
	}
}

// madeCode is a kind and a code with which some package makes a jobs.Error.
type madeCode struct{ kind, code, at string }

// codesMade reads the sources of the packages behind the API: every literal
// jobs.Error{Kind: …, Code: …} and every refuse("code", …), which is Invalid.
// Codes may be literals or constants Code… of package jobs.
func codesMade(t *testing.T) []madeCode {
	t.Helper()
	constants := map[string]string{}
	var made []madeCode
	text := func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, _ := strconv.Unquote(e.Value)
			return s
		case *ast.SelectorExpr:
			return constants[e.Sel.Name]
		}
		return ""
	}
	files := token.NewFileSet()
	visit := func(dir string, f func(ast.Node) bool) {
		err := fs.WalkDir(os.DirFS("../.."), dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(files, "../../"+path, nil, 0)
			if err == nil {
				ast.Inspect(file, f)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	visit("jobs", func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 && strings.HasPrefix(spec.Names[0].Name, "Code") {
			constants[spec.Names[0].Name] = text(spec.Values[0])
		}
		return true
	})
	if len(constants) < 10 {
		t.Fatalf("only %d codes found in jobs", len(constants))
	}
	errorOf := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			if sel, ok := n.Type.(*ast.SelectorExpr); !ok || sel.Sel.Name != "Error" {
				return true
			}
			m := madeCode{kind: "Internal", at: files.Position(n.Pos()).String()}
			for _, e := range n.Elts {
				kv, ok := e.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				switch sel, isSel := kv.Value.(*ast.SelectorExpr); kv.Key.(*ast.Ident).Name {
				case "Kind":
					if isSel {
						m.kind = sel.Sel.Name
					}
				case "Code":
					m.code = text(kv.Value)
				}
			}
			if m.code != "" {
				made = append(made, m)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "refuse" && len(n.Args) > 1 && text(n.Args[0]) != "" {
				made = append(made, madeCode{"Invalid", text(n.Args[0]), files.Position(n.Pos()).String()})
			}
		}
		return true
	}
	for _, dir := range []string{"jobs", "repository", "internal/plan"} {
		visit(dir, errorOf)
	}
	return made
}

// behindTheAPI are codes that the API never returns: only the command line, the console and the
// workers use them.
var behindTheAPI = map[string]bool{
	"migrate_first": true, "program_too_old": true, "scrub_running": true, "standby": true,
	"statistics_denied": true, "statistics_left": true, jobs.CodeNotErased: true, "bad_database_url": true,
	jobs.CodeContention: true, jobs.CodeOperator: true, "signed_out": true,
}

func TestEveryCodeOfTheStoresIsInTheTableUnderItsKind(t *testing.T) {
	t.Parallel()
	kindNamed := map[string]jobs.ErrorKind{
		"Internal": jobs.Internal, "Malformed": jobs.Malformed, "Unauthenticated": jobs.Unauthenticated, "Forbidden": jobs.Forbidden,
		"Missing": jobs.Missing, "Conflict": jobs.Conflict, "TooLarge": jobs.TooLarge, "Invalid": jobs.Invalid,
		"Unavailable": jobs.Unavailable,
	}
	made := codesMade(t)
	if len(made) < 20 {
		t.Fatalf("only %d errors with codes found in the sources", len(made))
	}
	for _, m := range made {
		kind, known := kindNamed[m.kind]
		c, listed := codes[m.code]
		switch {
		case behindTheAPI[m.code] || kind == jobs.Internal:
		case !known:
			t.Errorf("%s: kind %s is not in this test", m.at, m.kind)
		case !listed:
			t.Errorf("%s: code %s is not in the table of status.go", m.at, m.code)
		case m.code == jobs.CodeSchema:
			// A worker blocks the job (Conflict); the API answers Unavailable.
			if c.kind != jobs.Unavailable || statusOf(c.kind, m.code) != http.StatusServiceUnavailable {
				t.Errorf("%s: %s has kind %s", m.at, m.code, c.kind)
			}
		case c.kind != kind:
			t.Errorf("%s: code %s has kind %s, and %s in the table", m.at, m.code, kind, c.kind)
		}
	}
}

func TestAGapInTheMapIsReportedByItsCodeAndNotByItsText(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	b.store.fail = &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeSchema, Msg: "the map does not cover public.diagnoses"}
	a := b.ask(t, "POST", "/v1/erasures", mustToken(t, "studio", jobs.Admin), goodBody, "Idempotency-Key: k")
	if a.StatusCode != http.StatusServiceUnavailable || a.problem(t).Code != jobs.CodeSchema || strings.Contains(a.body, "diagnoses") {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}
