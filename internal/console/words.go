package console

import (
	"golang.org/x/text/language"
)

// catalogue is one language of the pages. A word in braces is replaced by its value. A
// test refuses a language that lacks a text.
type catalogue struct {
	tag   string // BCP 47
	words map[string]string
}

// catalogues holds the languages. The first is the one for all other languages.
var catalogues = []*catalogue{&english, &french, &german, &spanish, &italian, &dutch}

var matcher = func() language.Matcher {
	tags := make([]language.Tag, len(catalogues))
	for i, c := range catalogues {
		tags[i] = language.Make(c.tag)
	}
	return language.NewMatcher(tags)
}()

// match finds the language for a session, or for a browser's Accept-Language.
func match(locale, accept string) *catalogue {
	_, i := language.MatchStrings(matcher, locale, accept)
	return catalogues[i]
}
