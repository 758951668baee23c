package app

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
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
		for _, code := range mostFirst(j.Exceptions) {
			s.row(code, int64(j.Exceptions[code]), "")
		}
	}
	if j.Merge != nil && len(j.Merge.Found) > 0 {
		s.section("Conflicting rows")
		for _, table := range mostFirst(j.Merge.Found) {
			s.row(table, j.Merge.Found[table], "")
		}
	}
	if len(j.Rows) > 0 {
		s.section(rowsTitle(j))
		for _, table := range mostFirst(j.Rows) {
			s.row(table, j.Rows[table], "")
		}
	}
	s.section("Course")
	s.fact("created", stamp(j.CreatedAt))
	if j.NotBefore != nil {
		s.fact("not before", stamp(*j.NotBefore))
	}
	if j.StartedAt != nil {
		s.fact("started", stamp(*j.StartedAt))
	}
	if j.FinishedAt != nil {
		s.fact("finished", stamp(*j.FinishedAt)+took(j))
	}
	s.fact("mail", mailText(j.Mail))
	if j.Residue != nil {
		s.fact("on disk", residueText(j.Residue.Level))
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
	s.text(what + printable(j.ID) + ": " + words(string(j.State)))
	if j.BlockedReason != "" {
		s.text("  blocked because: " + printable(j.BlockedReason))
	}
	if j.WaitingFor != "" {
		s.text("  waiting: " + printable(j.WaitingFor))
	}
	by := "  tenant " + printable(j.TenantID)
	if j.Reason != "" {
		by += ", " + words(string(j.Reason))
	}
	if j.Merge != nil {
		by += ", " + mergeText(*j.Merge)
	}
	if j.CreatedBy != "" {
		by += ", asked for by " + printable(j.CreatedBy)
	}
	s.text(by)
	if j.Comment != "" {
		s.text("  comment: " + printable(j.Comment))
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
	s.lines = append(s.lines, sheetLine{label: printable(label), number: thousands(n), note: note})
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

// mostFirst sorts the keys by their numbers, the greatest first.
func mostFirst[N int | int64](m map[string]N) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b))
	})
}

func mailText(m jobs.MailStatus) string {
	text := words(string(m.State))
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
		text += ", " + count(m.Attempts, "attempt")
	}
	return text
}

// took says how long the work lasted and how fast it was.
func took(j jobs.Job) string {
	if j.StartedAt == nil {
		return ""
	}
	d := j.FinishedAt.Sub(*j.StartedAt)
	text := ", after " + span(d)
	if done := j.Counts.Done(); done > 0 && d >= time.Second {
		text += ", " + thousands(int64(float64(done)/d.Seconds())) + " clients/s"
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// span is a duration as precise as people want it.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// words is a name of the API as people write it.
func words(name string) string { return strings.ReplaceAll(printable(name), "_", " ") }

// count is "1 client", "2 clients".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return thousands(int64(n)) + " " + what
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
