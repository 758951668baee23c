package mailer

import (
	"embed"
	htmltemplate "html/template"
	"net/url"
	"strings"
	texttemplate "text/template"
	"unicode/utf8"

	"github.com/oubli/oubli/jobs"
)

//go:embed templates
var templates embed.FS

var (
	textTemplate = texttemplate.Must(texttemplate.New("mail.txt").
			Funcs(texttemplate.FuncMap{"wrap": wrap, "underline": underline}).
			ParseFS(templates, "templates/mail.txt"))
	htmlTemplate = htmltemplate.Must(htmltemplate.New("mail.html").ParseFS(templates, "templates/mail.html"))
)

// view is what the templates read.
type view struct {
	Words    *catalogue
	Subject  string
	Sentence string
	Summary  []string
	Tone     string // "good", "mixed", "bad" or "quiet"

	Outcomes   table
	Exceptions table
	Kept       []string
	About      table
	Link       string // may be empty
}

// table holds rows of a label and a value, and the widths of both columns in
// characters.
type table struct {
	Rows                   []row
	LabelWidth, ValueWidth int
}

type row struct {
	Label, Value string
	Strong       bool // the total
}

func (t *table) add(label, value string, strong bool) {
	t.Rows = append(t.Rows, row{label, value, strong})
	t.LabelWidth = max(t.LabelWidth, utf8.RuneCountInString(label))
	t.ValueWidth = max(t.ValueWidth, utf8.RuneCountInString(value))
}

func underline(heading string) string {
	return strings.Repeat("-", utf8.RuneCountInString(heading))
}

// write renders the report as text and as HTML.
func (m *Mailer) write(r jobs.Report) (text, html string, v view, err error) {
	v = m.view(r)
	var t, h strings.Builder
	if err := textTemplate.Execute(&t, v); err != nil {
		return "", "", v, err
	}
	if err := htmlTemplate.Execute(&h, v); err != nil {
		return "", "", v, err
	}
	return t.String(), h.String(), v, nil
}

func (m *Mailer) view(r jobs.Report) view {
	w := match(r.Locale)
	kind := w.of(r.Kind)
	v := view{
		Words:    w,
		Subject:  kind.subject(r.State),
		Sentence: kind.sentence(r),
		Summary:  w.summary(kind, r),
		Tone:     map[jobs.State]string{jobs.Completed: "good", jobs.CompletedWithExceptions: "mixed", jobs.Failed: "bad"}[r.State],
		Outcomes: w.outcomes(kind, r),
		About:    w.about(r),
		Link:     m.link(r),
	}
	if v.Tone == "" {
		v.Tone = "quiet"
	}
	for _, code := range byCount(r.Exceptions) {
		v.Exceptions.add(w.reason(code), w.number(r.Exceptions[code]), false)
	}
	if n := r.Counts.ErasedRetained; n > 0 {
		v.Kept = append(v.Kept, w.count(w.KeptSome, n))
		if r.RetainedUntil != nil {
			v.Kept = append(v.Kept, fill(w.KeptUntil, "date", w.date(r.RetainedUntil.Time)))
		}
	}
	return v
}

// summary returns the counts as sentences.
func (w *catalogue) summary(kind *wording, r jobs.Report) []string {
	if r.Requested == 0 {
		return []string{kind.Nobody}
	}
	lines := []string{w.count(kind.Sum, r.Counts.Erased+r.Counts.ErasedRetained, "total", w.number(r.Requested))}
	if n := r.Counts.Exceptions(); n > 0 {
		lines = append(lines, w.count(kind.LeftOut, n))
	}
	if n := r.Counts.Pending; n > 0 {
		lines = append(lines, w.count(kind.NotReached, n))
	}
	if late := r.LateRows; late != nil {
		if late.Looking {
			lines = append(lines, w.LateLooking)
		}
		refused := 0
		for _, n := range late.Refused {
			refused += n
		}
		if refused > 0 {
			lines = append(lines, w.count(w.LateRefused, refused))
		}
	}
	return lines
}

// outcomes lists every outcome, also those without clients, so that a reader can
// check the sum.
func (w *catalogue) outcomes(kind *wording, r jobs.Report) table {
	var t table
	n := map[jobs.Outcome]int{
		jobs.Erased:         r.Counts.Erased,
		jobs.ErasedRetained: r.Counts.ErasedRetained,
		jobs.Skipped:        r.Counts.Skipped,
		jobs.FailedOutcome:  r.Counts.Failed,
		jobs.NotFound:       r.Counts.NotFound,
	}
	for _, o := range jobs.Outcomes() {
		t.add(kind.Outcomes[o], w.number(n[o]), false)
	}
	if r.Counts.Pending > 0 {
		t.add(kind.Pending, w.number(r.Counts.Pending), false)
	}
	t.add(w.Total, w.number(r.Requested), true)
	return t
}

func (w *catalogue) about(r jobs.Report) table {
	var t table
	if r.StartedAt == nil {
		t.add(w.Started, w.NotStarted, false)
		t.add(w.Ended, w.moment(r.FinishedAt), false)
	} else {
		t.add(w.Started, w.moment(*r.StartedAt), false)
		t.add(w.Ended, w.moment(r.FinishedAt), false)
		t.add(w.Duration, duration(r.FinishedAt.Sub(*r.StartedAt)), false)
	}
	t.add(w.Job, r.JobID, false)
	return t
}

// link returns the URL of the page that shows the job after signing in.
func (m *Mailer) link(r jobs.Report) string {
	if m.opts.PublicURL == "" {
		return ""
	}
	page := "erasures"
	if r.Kind == jobs.Merge {
		page = "merges"
	}
	return strings.TrimRight(m.opts.PublicURL, "/") + "/" + page + "/" + url.PathEscape(r.JobID)
}
