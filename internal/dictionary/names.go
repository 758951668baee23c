package dictionary

import (
	"strings"
	"unicode"
)

// plainLetters replaces letters with diacritics by ASCII letters, in German as is usual
// there: ä becomes ae.
var plainLetters = strings.NewReplacer(
	"ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "œ", "oe", "æ", "ae",
	"à", "a", "â", "a", "á", "a", "ç", "c", "é", "e", "è", "e", "ê", "e", "ë", "e",
	"î", "i", "ï", "i", "í", "i", "ì", "i", "ô", "o", "ó", "o", "ò", "o", "ù", "u", "û", "u", "ú", "u", "ÿ", "y", "ñ", "n")

// Words splits a name as programs write it (first_name, firstName,
// IPAddress2, "Date de naissance") into lower-case words of plain letters.
func Words(name string) []string {
	runes := []rune(name)
	var list []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			list = append(list, plainLetters.Replace(strings.ToLower(string(word))))
		}
		word = nil
	}
	for i, r := range runes {
		if !unicode.IsLetter(r) {
			flush()
			continue
		}
		if unicode.IsUpper(r) && i > 0 && unicode.IsLetter(runes[i-1]) {
			// A word begins at the N of "firstName", and at the A of "IPAddress",
			// which a small letter follows.
			if !unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]) {
				flush()
			}
		}
		word = append(word, r)
	}
	flush()
	return list
}

// Joined returns a name as one word, without what separates its words.
func Joined(name string) string { return strings.Join(Words(name), "") }

// Singular guesses the singular of a table's name in English, French, German or Spanish. It
// changes only the last word.
func Singular(list []string) []string {
	if len(list) == 0 {
		return list
	}
	one := append([]string{}, list...)
	last := one[len(one)-1]
	switch {
	case last == "people":
		last = "person"
	case strings.HasSuffix(last, "ies"):
		last = strings.TrimSuffix(last, "ies") + "y"
	case strings.HasSuffix(last, "sses"), strings.HasSuffix(last, "xes"), strings.HasSuffix(last, "ches"):
		last = strings.TrimSuffix(last, "es")
	case strings.HasSuffix(last, "ss"), strings.HasSuffix(last, "us"), strings.HasSuffix(last, "is"):
	case strings.HasSuffix(last, "s") && len(last) > 3:
		last = strings.TrimSuffix(last, "s")
	case last == "kunden", last == "adressen":
		last = strings.TrimSuffix(last, "n")
	case last == "notizen", strings.HasSuffix(last, "ungen"), strings.HasSuffix(last, "schaften"):
		last = strings.TrimSuffix(last, "en")
	case germanPlurals[last]:
		last = strings.TrimSuffix(last, "e")
	}
	one[len(one)-1] = last
	return one
}

// germanPlurals are German plurals in -e that are common in table names.
var germanPlurals = SetOf("termine kurse besuche protokolle belege geraete dokumente")

// Among reports whether any of the words is in the set.
func Among(list []string, any Set) bool {
	for _, w := range list {
		if any[w] {
			return true
		}
	}
	return false
}

// Mentions reports whether neighbouring words, written as one, are in the set:
// check_ins mentions checkins, rendez_vous rendezvous.
func Mentions(list []string, any Set) bool {
	for i := range list {
		for j := i + 1; j <= len(list); j++ {
			if w := strings.Join(list[i:j], ""); any[w] || any[strings.Join(Singular(list[i:j]), "")] || any[Singular([]string{w})[0]] {
				return true
			}
		}
	}
	return false
}

// Set is a set of words as [Words] gives them.
type Set map[string]bool

// SetOf is the set of the words of a text.
func SetOf(text string) Set {
	set := Set{}
	for _, w := range strings.Fields(text) {
		set[w] = true
	}
	return set
}
