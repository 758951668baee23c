package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oubli/oubli/jobs"
)

// WriteOutcome writes what became of a job, for people: its state, clients by
// outcome, exceptions by code, rows by table, the mail and the times (UTC).
func WriteOutcome(w io.Writer, j jobs.Job) {
	var s sheet
	s.head(j)
	s.section("Clients")
	for _, c := range outcomeRows(j) {
		s.row(c.label, c.n, c.note)
	}
	s.row("requested", int64(j.Requested), "")
	if len(j.Exceptions) > 0 {
		s.section("Exceptions")
		for _, code := range MostFirst(j.Exceptions) {
			s.row(code, int64(j.Exceptions[code]), "")
		}
	}
	if j.Merge != nil && len(j.Merge.Found) > 0 {
		s.section("Conflicting rows")
		for _, table := range MostFirst(j.Merge.Found) {
			s.row(table, j.Merge.Found[table], "")
		}
	}
	if len(j.Rows) > 0 {
		s.section(rowsTitle(j))
		for _, table := range MostFirst(j.Rows) {
			s.row(table, j.Rows[table], "")
		}
	}
	s.section("Course")
	s.fact("created", Stamp(j.CreatedAt))
	if j.NotBefore != nil {
		s.fact("not before", Stamp(*j.NotBefore))
	}
	if j.StartedAt != nil {
		s.fact("started", Stamp(*j.StartedAt))
	}
	if j.FinishedAt != nil {
		s.fact("finished", Stamp(*j.FinishedAt)+took(j))
	}
	s.fact("mail", mailText(j.Mail))
	if j.Residue != nil {
		s.fact("on disk", Residue(j.Residue.Level))
	}
	_, _ = io.WriteString(w, s.String())
}

func rowsTitle(j jobs.Job) string {
	if j.Merge != nil {
		return "Rows moved, changed or deleted"
	}
	return "Rows deleted or changed"
}

type outcomeRow struct {
	label string
	n     int64
	note  string
}

// outcomeRows lists the outcomes that a reader looks for even when they are
// none, and the others when they are some.
func outcomeRows(j jobs.Job) []outcomeRow {
	until := ""
	if j.RetainedUntil != nil {
		until = "until " + j.RetainedUntil.String()
	}
	done, part := "erased", "erased, part retained by law"
	if j.Merge != nil {
		done, part = "merged", "merged, part retained by law"
	}
	rows := []outcomeRow{{done, int64(j.Counts.Erased), ""}}
	for _, r := range []outcomeRow{
		{part, int64(j.Counts.ErasedRetained), until},
		{"skipped by a guard", int64(j.Counts.Skipped), ""},
		{"failed", int64(j.Counts.Failed), ""},
		{"not found", int64(j.Counts.NotFound), ""},
		{"pending", int64(j.Counts.Pending), ""},
	} {
		if r.n > 0 {
			rows = append(rows, r)
		}
	}
	return rows
}

// sheet lays out labels on the left and numbers under each other on the right.
type sheet struct {
	lines []sheetLine
}

type sheetLine struct {
	text          string // a line of its own; otherwise:
	label, number string
	note          string
}

func (s *sheet) head(j jobs.Job) {
	what := "Erasure "
	if j.Merge != nil {
		what = "Merge "
	}
	if j.DryRun {
		what = "Dry run, everything taken back: " + strings.ToLower(what)
	}
	s.text(what + Printable(j.ID) + ": " + Words(string(j.State)))
	if j.BlockedReason != "" {
		s.text("  blocked because: " + Printable(j.BlockedReason))
	}
	if j.WaitingFor != "" {
		s.text("  waiting: " + Printable(j.WaitingFor))
	}
	by := "  tenant " + Printable(j.TenantID)
	if j.Reason != "" {
		by += ", " + Words(string(j.Reason))
	}
	if j.Merge != nil {
		by += ", " + mergeText(*j.Merge)
	}
	if j.CreatedBy != "" {
		by += ", asked for by " + Printable(j.CreatedBy)
	}
	s.text(by)
	if j.Comment != "" {
		s.text("  comment: " + Printable(j.Comment))
	}
}

// mergeText says in a few words what a merge was asked to do.
func mergeText(m jobs.MergeTerms) string {
	text := "into another client"
	if m.Anonymous {
		text = "into the anonymous profile"
	}
	if !m.DeleteSource {
		return text + ", sources kept"
	}
	return text + ", sources deleted"
}

func (s *sheet) text(line string) { s.lines = append(s.lines, sheetLine{text: line}) }

func (s *sheet) section(title string) { s.text("\n  " + title) }

func (s *sheet) row(label string, n int64, note string) {
	s.lines = append(s.lines, sheetLine{label: Printable(label), number: Thousands(n), note: note})
}

func (s *sheet) fact(label, value string) { s.text(fmt.Sprintf("    %-12s%s", label, value)) }

// String aligns all sections alike.
func (s *sheet) String() string {
	labels, numbers := 24, 0
	for _, l := range s.lines {
		labels = max(labels, utf8.RuneCountInString(l.label))
		numbers = max(numbers, len(l.number))
	}
	var b strings.Builder
	for _, l := range s.lines {
		line := l.text
		if l.number != "" {
			// fmt pads by runes, as the label was measured.
			line = fmt.Sprintf("    %-*s  %*s  %s", labels, l.label, numbers, l.number, l.note)
		}
		b.WriteString(strings.TrimRight(line, " "))
		b.WriteByte('\n')
	}
	return b.String()
}

func mailText(m jobs.MailStatus) string {
	text := Words(string(m.State))
	switch m.State {
	case jobs.MailNone:
		text = "nobody to notify"
	case jobs.MailWaiting:
		text = "goes out when the job has ended"
	case jobs.MailPending:
		text = "on its way"
	case jobs.MailFailed:
		text = "refused for good for at least one recipient"
	}
	if m.Attempts > 0 {
		text += ", " + Count(m.Attempts, "attempt")
	}
	return text
}

// took says how long the work lasted and how fast it was.
func took(j jobs.Job) string {
	if j.StartedAt == nil {
		return ""
	}
	d := j.FinishedAt.Sub(*j.StartedAt)
	text := ", after " + Span(d)
	if done := j.Counts.Done(); done > 0 && d >= time.Second {
		text += ", " + Thousands(int64(float64(done)/d.Seconds())) + " clients/s"
	}
	return text
}
