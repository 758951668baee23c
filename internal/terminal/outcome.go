package terminal

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/oubli/oubli/jobs"
)

// WriteOutcome writes what became of a job, for people: its state, clients by
// outcome, exceptions by code, rows by table, the mail and the times (UTC).
func WriteOutcome(w io.Writer, j jobs.Job) {
	t := table{tabwriter.NewWriter(w, labelColumn, 0, 2, ' ', 0), numberColumn(j)}
	t.head(j)
	t.section("Clients")
	for _, c := range outcomeRows(j) {
		t.row(c.label, c.n, c.note)
	}
	t.row("requested", int64(j.Requested), "")
	if len(j.Exceptions) > 0 {
		t.section("Exceptions")
		for _, code := range MostFirst(j.Exceptions) {
			t.row(code, int64(j.Exceptions[code]), "")
		}
	}
	if j.LateRows != nil && len(j.LateRows.Refused) > 0 {
		t.section("Clients about whom rows were written later that the database refuses to erase")
		for _, code := range MostFirst(j.LateRows.Refused) {
			t.row(code, int64(j.LateRows.Refused[code]), "")
		}
	}
	if j.Merge != nil && len(j.Merge.Found) > 0 {
		t.section("Conflicting rows")
		for _, table := range MostFirst(j.Merge.Found) {
			t.row(table, j.Merge.Found[table], "")
		}
	}
	if len(j.Rows) > 0 {
		t.section(rowsTitle(j))
		for _, table := range MostFirst(j.Rows) {
			t.row(table, j.Rows[table], "")
		}
	}
	t.section("Course")
	t.fact("created", Stamp(j.CreatedAt))
	if j.NotBefore != nil {
		t.fact("not before", Stamp(*j.NotBefore))
	}
	if j.StartedAt != nil {
		t.fact("started", Stamp(*j.StartedAt))
	}
	if j.FinishedAt != nil {
		t.fact("finished", Stamp(*j.FinishedAt)+took(j))
	}
	mail := mailText(j.Mail)
	if j.Mail.State == jobs.MailPending && j.LateRows != nil && j.LateRows.Looking {
		mail = "goes out when rows written meanwhile have been looked for"
	}
	t.fact("mail", mail)
	if j.Residue != nil {
		t.fact("on disk", residueText(*j.Residue))
		if j.Residue.WaitingFor != "" {
			t.fact("", "waiting: "+Printable(j.Residue.WaitingFor))
		}
		for _, view := range slices.Sorted(maps.Keys(j.Residue.StaleViews)) {
			why := "is refreshed within a minute"
			if code := j.Residue.StaleViews[view]; code != "" {
				why = "could not be refreshed (" + Printable(code) + "), and may still show erased rows"
			}
			t.fact("", "stale: "+Printable(view)+" "+why)
		}
	}
	_ = t.Flush()
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

// table prints labels on the left, and numbers aligned to the right beside them.
// tabwriter aligns the labels. It would align all columns to the same side, so fmt
// aligns the numbers.
type table struct {
	*tabwriter.Writer
	numbers int // width of the column of numbers
}

// labelColumn is wide enough for the labels of outcomes. A longer name of a table or
// code widens its own section only.
const labelColumn = 34

// numberColumn is the width of the largest number of a job.
func numberColumn(j jobs.Job) int {
	most := int64(j.Requested)
	for _, n := range j.Exceptions {
		most = max(most, int64(n))
	}
	for _, n := range j.Rows {
		most = max(most, n)
	}
	if j.Merge != nil {
		for _, n := range j.Merge.Found {
			most = max(most, n)
		}
	}
	return len(Thousands(most))
}

func (t table) head(j jobs.Job) {
	what := "Erasure "
	if j.Merge != nil {
		what = "Merge "
	}
	if j.DryRun {
		what = "Dry run, everything taken back: " + strings.ToLower(what)
	}
	t.text(what + Printable(j.ID) + ": " + Words(string(j.State)))
	if j.BlockedReason != "" {
		t.text("  blocked because: " + Printable(j.BlockedReason))
	}
	if j.WaitingFor != "" {
		t.text("  waiting: " + Printable(j.WaitingFor))
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
	t.text(by)
	if j.Comment != "" {
		t.text("  comment: " + Printable(j.Comment))
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

func (t table) text(line string) { fmt.Fprintln(t, line) }

func (t table) section(title string) { t.text("\n  " + title) }

func (t table) row(label string, n int64, note string) {
	if note != "" {
		note = "  " + note
	}
	fmt.Fprintf(t, "    %s\t%*s%s\n", Printable(label), t.numbers, Thousands(n), note)
}

func (t table) fact(label, value string) { t.text(fmt.Sprintf("    %-12s%s", label, value)) }

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
