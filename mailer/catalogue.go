package mailer

import (
	"strings"

	"golang.org/x/text/language"

	"github.com/oubli/oubli/jobs"
)

// catalogue holds every text of the mail in one language. A word in braces is
// replaced by its value. A test refuses an empty field.
type catalogue struct {
	Language string // BCP 47

	Date           string // {day} {month} {year}
	FirstDay       string // the first of a month
	Months         [12]string
	ZeroIsSingular bool // "0 client", as in French

	Erasure, Merge wording

	Outcome, Exceptions, Kept, About  string // headings
	Total, Started, NotStarted, Ended string
	Duration, Job, Open, SignIn       string

	KeptSome  form   // {n} clients with data that the law retains
	KeptUntil string // {date}

	LateLooking string // the first look for rows written about erased clients has not ended
	LateRefused form   // {n} clients of whom such rows are left

	Reasons            map[string]string // by code of exception
	Guard              string            // {name}
	Database           string            // {state}
	DatabaseConstraint string            // {state} {constraint}

	Footer string
}

// wording is what depends on the kind of job.
type wording struct {
	Complete, WithExceptions, Failed, Cancelled string // subjects

	// Sentences. "Some" is for a job that erased or merged at least one client,
	// "None" for one that did not, so that the mail says what happened.
	Done                         string
	DoneNone                     string
	FailedSome, FailedNone       string
	CancelledSome, CancelledNone string

	Sum        form   // {n} of {total} clients
	Nobody     string // the job had no clients
	LeftOut    form   // {n} clients with an exception
	NotReached form   // {n} clients that were not processed

	Outcomes map[jobs.Outcome]string
	Pending  string
}

// form is a sentence about {n} things in singular and plural.
type form struct{ One, Other string }

// catalogues holds the languages. The first is the one for all other languages.
var catalogues = []*catalogue{&english, &french, &german, &spanish, &italian, &dutch}

var matcher = func() language.Matcher {
	tags := make([]language.Tag, len(catalogues))
	for i, w := range catalogues {
		tags[i] = language.Make(w.Language)
	}
	return language.NewMatcher(tags)
}()

// match finds the language of a locale in the form of BCP 47 ("fr-CH") or of
// POSIX ("fr_CH.UTF-8").
func match(locale string) *catalogue {
	locale, _, _ = strings.Cut(locale, ".")
	locale, _, _ = strings.Cut(locale, "@")
	_, i := language.MatchStrings(matcher, locale)
	return catalogues[i]
}

// of returns the wording for a kind of job.
func (w *catalogue) of(kind jobs.Kind) *wording {
	if kind == jobs.Merge {
		return &w.Merge
	}
	return &w.Erasure
}

// subject returns the subject for a job that ended in this state.
func (w *wording) subject(s jobs.State) string {
	switch s {
	case jobs.CompletedWithExceptions:
		return w.WithExceptions
	case jobs.Failed:
		return w.Failed
	case jobs.Cancelled:
		return w.Cancelled
	default:
		return w.Complete
	}
}

// sentence returns the sentence that says how the job ended.
func (w *wording) sentence(r jobs.Report) string {
	some := r.Counts.Erased+r.Counts.ErasedRetained > 0
	pick := func(ifSome, ifNone string) string {
		if some {
			return ifSome
		}
		return ifNone
	}
	switch r.State {
	case jobs.CompletedWithExceptions:
		return pick(w.Done, w.DoneNone)
	case jobs.Failed:
		return pick(w.FailedSome, w.FailedNone)
	case jobs.Cancelled:
		return pick(w.CancelledSome, w.CancelledNone)
	default:
		return w.Done
	}
}
