package mailer

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// number formats n with the language's thousands separator.
func (w *catalogue) number(n int) string {
	return message.NewPrinter(language.Make(w.Language)).Sprintf("%d", n)
}

// date formats a day in words: 31 December 2035.
func (w *catalogue) date(t time.Time) string {
	day := strconv.Itoa(t.Day())
	if t.Day() == 1 {
		day = w.FirstDay
	}
	return fill(w.Date, "day", day, "month", w.Months[t.Month()-1], "year", strconv.Itoa(t.Year()))
}

// moment formats a date and time with its time zone, UTC, because readers and
// server may be in different time zones.
func (w *catalogue) moment(t time.Time) string {
	t = t.UTC()
	return w.date(t) + t.Format(", 15:04:05 UTC")
}

// count returns the singular or the plural form for n, with the number filled in.
func (w *catalogue) count(f form, n int, more ...string) string {
	text := f.Other
	if n == 1 || n == 0 && w.ZeroIsSingular {
		text = f.One
	}
	return fill(text, append(more, "n", w.number(n))...)
}

// duration formats d with the symbols h, min and s, which are the same in all six
// languages.
func duration(d time.Duration) string {
	d = d.Round(time.Second)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case d < time.Second:
		return "< 1 s"
	case h > 0:
		return fmt.Sprintf("%d h %02d min", h, m)
	case m > 0:
		return fmt.Sprintf("%d min %02d s", m, s)
	}
	return fmt.Sprintf("%d s", s)
}

// fill replaces each {name} in text by its value.
func fill(text string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		pairs[i] = "{" + pairs[i] + "}"
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// textWidth is the line length of plain text, as RFC 3676 §4.2 advises.
const textWidth = 72

// wrap breaks a paragraph into lines, but not at no-break spaces, which a number
// may contain.
func wrap(text string) string {
	var out strings.Builder
	column := 0
	for i, word := range strings.Split(text, " ") {
		width := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+width > textWidth:
			out.WriteByte('\n')
			column = 0
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += width
	}
	return out.String()
}
