package console

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/oubli/oubli/jobs"
)

// Sessions are the browsers that are signed in.
type Sessions interface {
	OpenConsole(ctx context.Context, code string) (jobs.ConsoleSession, string, error)
	ConsoleSession(ctx context.Context, cookie string) (jobs.ConsoleSession, error)
	CloseConsole(ctx context.Context, cookie string) error
}

// Jobs reads jobs, and waits for them.
type Jobs interface {
	Job(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error)
	Jobs(ctx context.Context, f jobs.Filter) (jobs.List[jobs.Job], error)
	Exceptions(ctx context.Context, f jobs.ExceptionFilter) (jobs.List[jobs.Exception], error)
}

// Steps change the state of a job.
type Steps interface {
	Cancel(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error)
	Pause(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error)
	Resume(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error)
	Retry(ctx context.Context, tenant, id string, by jobs.Caller) (jobs.Job, error)
}

// Waiter waits for a change of a job.
type Waiter interface {
	Wait(ctx context.Context, tenant, job string, seen jobs.JobProgress) error
}

// Kept is what the law keeps, and the zone in which a tenant's times are shown.
type Kept interface {
	Retention(ctx context.Context, tenant string) (jobs.Retention, error)
	TimeZone(ctx context.Context, tenant string) string
}

// Formats write what the mail writes too, in the language of a locale.
type Formats struct {
	Reason func(locale, code string) string
	Number func(locale string, n int) string
	Date   func(locale string, t time.Time) string
}

// Options are the parts and settings of the console. All parts are required.
type Options struct {
	Sessions Sessions
	Jobs     Jobs
	Steps    Steps
	Waiter   Waiter
	Kept     Kept
	Formats  Formats
	Log      zerolog.Logger
	// FrameAncestors are the sites that may show the console in a frame, as in
	// Content-Security-Policy. Empty: none.
	FrameAncestors string
	Environment    string // named in a banner; empty: no banner
	// Refuse, if it returns an error, makes every page show it: the database was
	// restored, and shows people who were erased. Nil: never.
	Refuse func() error
}

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// console is the handler.
type console struct {
	Options
	pages map[string]*template.Template
}

// New returns the handler of everything under /console/.
func New(o Options) (http.Handler, error) {
	for _, part := range []any{o.Sessions, o.Jobs, o.Steps, o.Waiter, o.Kept} {
		if part == nil {
			return nil, errors.New("console: every part is required")
		}
	}
	if o.Refuse == nil {
		o.Refuse = func() error { return nil }
	}
	c := &console{Options: o, pages: map[string]*template.Template{}}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	for _, name := range names {
		page := strings.TrimSuffix(strings.TrimPrefix(name, "templates/"), ".html")
		if page == "layout" {
			continue
		}
		t, err := template.ParseFS(templateFiles, "templates/layout.html", name)
		if err != nil {
			return nil, fmt.Errorf("console: %w", err)
		}
		c.pages[page] = t
	}
	return c.secured(c.routes()), nil
}

func (c *console) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /console/static/", http.StripPrefix("/console/", http.FileServerFS(staticFiles)))
	mux.HandleFunc("GET /console/sign-in", c.signInPage)
	mux.HandleFunc("POST /console/session", c.signIn)
	mux.HandleFunc("POST /console/sign-out", c.signOut)
	all := func(pattern string, h screen) { mux.HandleFunc(pattern, c.signed(jobs.Viewer, h)) }
	admin := func(pattern string, h screen) { mux.HandleFunc(pattern, c.signed(jobs.Admin, h)) }
	all("GET /console/{$}", c.home)
	all("GET /console/jobs", c.jobList)
	all("GET /console/jobs/{id}", c.jobPage)
	all("GET /console/jobs/{id}/progress", c.jobProgress)
	admin("POST /console/jobs/{id}/{step}", c.jobStep)
	all("GET /console/retention", c.retention)
	mux.HandleFunc("/console/", c.signed(jobs.Viewer, func(w http.ResponseWriter, r *http.Request, v *visit) error {
		return &jobs.Error{Kind: jobs.Missing, Code: "not_found"}
	}))
	return mux
}

// secured sets the headers of every answer, and refuses requests that another site
// makes a browser send.
func (c *console) secured(next http.Handler) http.Handler {
	frames := "'none'"
	if c.FrameAncestors != "" {
		frames = c.FrameAncestors
	}
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
		"base-uri 'none'; frame-ancestors " + frames + "; require-trusted-types-for 'script'; trusted-types 'none'"
	guard := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		if c.FrameAncestors == "" {
			h.Set("X-Frame-Options", "DENY")
		}
		start := time.Now()
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		guard.ServeHTTP(w, r)
		c.Log.Debug().Str("route", r.Pattern).Float64("duration_ms", float64(time.Since(start).Microseconds())/1000).Msg("console request")
	})
}

// maxForm is the largest form: a page of ticks.
const maxForm = 1 << 20
