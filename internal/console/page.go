package console

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/oubli/oubli/jobs"
)

// page is what a template sees.
type page struct {
	*visit
	Screen      string
	Path        string
	Environment string
	Data        map[string]any
	formats     Formats
}

// render writes a page. It is complete before the first byte is sent, so that an error
// of a template is an error page.
func (c *console) render(w http.ResponseWriter, r *http.Request, v *visit, status int, name string, data map[string]any) {
	p := &page{visit: v, Screen: name, Path: r.URL.Path, Environment: c.Environment, Data: data, formats: c.Formats}
	var b bytes.Buffer
	if err := c.pages[name].ExecuteTemplate(&b, "layout", p); err != nil {
		c.Log.Error().Str("screen", name).Msg("a page of the console cannot be written") // the error's text may quote data
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // fails only if the browser has gone
}

// statuses of error pages.
var statuses = map[jobs.ErrorKind]int{
	jobs.Forbidden: http.StatusForbidden, jobs.Missing: http.StatusNotFound, jobs.Conflict: http.StatusConflict,
	jobs.Invalid: http.StatusUnprocessableEntity, jobs.Malformed: http.StatusBadRequest, jobs.Unavailable: http.StatusServiceUnavailable,
	jobs.Unauthenticated: http.StatusUnauthorized, jobs.TooLarge: http.StatusRequestEntityTooLarge,
}

// fail shows an error. The cause of an internal one is for the log.
func (c *console) fail(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	kind := jobs.KindOf(err)
	status, known := statuses[kind]
	if !known {
		status = http.StatusInternalServerError
	}
	if kind == jobs.Internal || kind == jobs.Unavailable {
		c.Log.Error().Err(err).Str("route", r.Pattern).Msg("console request failed")
	}
	c.render(w, r, v, status, "error", map[string]any{"Text": v.trouble(err)})
}

// trouble is an error in words.
func (v *visit) trouble(err error) string {
	e, ok := errors.AsType[*jobs.Error](err)
	if !ok {
		return v.T("error.internal")
	}
	if text := v.lang.words["error."+e.Code]; text != "" {
		return text
	}
	if text := v.lang.words["error."+e.Kind.String()]; text != "" {
		return text
	}
	return v.T("error.internal")
}

// T is a text of the catalogue. Pairs of names and values fill its braces.
func (v *visit) T(key string, pairs ...any) string {
	text := v.lang.words[key]
	for i := 0; i+1 < len(pairs); i += 2 {
		text = strings.ReplaceAll(text, fmt.Sprintf("{%v}", pairs[i]), fmt.Sprint(pairs[i+1]))
	}
	return text
}

// Word is T for a word of the program, such as a state. A word without a text is shown
// as it is: a guard has the name that the map gives it.
func (v *visit) Word(group string, word any) string {
	if text := v.lang.words[group+"."+fmt.Sprint(word)]; text != "" {
		return text
	}
	return fmt.Sprint(word)
}

// Lang is the language of the page.
func (v *visit) Lang() string { return v.lang.tag }

// IsAdmin reports whether the visitor may change something.
func (v *visit) IsAdmin() bool { return v.admin() }

// Reason is the code of an exception in words.
func (p *page) Reason(code string) string { return p.formats.Reason(p.lang.tag, code) }

// Number writes a number as the language does.
func (p *page) Number(n any) string {
	switch n := n.(type) {
	case int:
		return p.formats.Number(p.lang.tag, n)
	case int64:
		return p.formats.Number(p.lang.tag, int(n))
	}
	return fmt.Sprint(n)
}

// Date writes a day; nil is a dash.
func (p *page) Date(t any) string {
	switch t := t.(type) {
	case time.Time:
		return p.formats.Date(p.lang.tag, t.In(p.zone))
	case *time.Time:
		if t != nil {
			return p.Date(*t)
		}
	case *jobs.Date:
		if t != nil {
			return p.formats.Date(p.lang.tag, t.Time)
		}
	}
	return "–"
}

// Moment writes a day and a time in the tenant's zone.
func (p *page) Moment(t any) string {
	switch t := t.(type) {
	case time.Time:
		return p.Date(t) + t.In(p.zone).Format(", 15:04 MST")
	case *time.Time:
		if t != nil {
			return p.Moment(*t)
		}
	}
	return "–"
}

// count is a name and how many there are of it.
type count struct {
	Name string
	N    int64
}

// Sorted lists counts, the largest first.
func (p *page) Sorted(m any) []count {
	var all []count
	switch m := m.(type) {
	case map[string]int:
		for _, k := range slices.Sorted(maps.Keys(m)) {
			all = append(all, count{k, int64(m[k])})
		}
	case map[string]int64:
		for _, k := range slices.Sorted(maps.Keys(m)) {
			all = append(all, count{k, m[k]})
		}
	}
	slices.SortStableFunc(all, func(a, b count) int { return int(b.N - a.N) })
	return all
}

// Query is a query string of pairs of names and values; empty values are left out.
func (p *page) Query(pairs ...string) template.URL {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return template.URL("?" + q.Encode())
}
