package mailer

import "time"

// Reason is the code of an exception in words, in the language of a locale.
func Reason(locale, code string) string { return match(locale).reason(code) }

// Number writes a number as the language of a locale does.
func Number(locale string, n int) string { return match(locale).number(n) }

// Date writes a day in words.
func Date(locale string, t time.Time) string { return match(locale).date(t) }
