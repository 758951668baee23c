package mailer

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/oubli/oubli/jobs"
)

// texts calls f with every text of a catalogue and the path that leads to it.
func texts(v reflect.Value, path string, f func(path, text string)) {
	switch v.Kind() {
	case reflect.String:
		f(path, v.String())
	case reflect.Struct:
		for i := range v.NumField() {
			texts(v.Field(i), path+"."+v.Type().Field(i).Name, f)
		}
	case reflect.Array:
		for i := range v.Len() {
			texts(v.Index(i), fmt.Sprintf("%s[%d]", path, i), f)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			texts(v.MapIndex(k), fmt.Sprintf("%s[%s]", path, k), f)
		}
	}
}

var hole = regexp.MustCompile(`\{[a-z]*\}`)

func TestNoTranslationIsMissing(t *testing.T) {
	t.Parallel()
	holes := map[string][]string{} // in English, by path
	texts(reflect.ValueOf(english), "", func(path, text string) {
		holes[path] = slices.Sorted(slices.Values(hole.FindAllString(text, -1)))
	})
	for _, o := range jobs.Outcomes() {
		for _, kind := range []string{"Erasure", "Merge"} {
			if path := fmt.Sprintf(".%s.Outcomes[%s]", kind, o); holes[path] == nil && !has(holes, path) {
				t.Errorf("no wording for outcome %s", path)
			}
		}
	}
	for _, w := range catalogues {
		seen := map[string]bool{}
		texts(reflect.ValueOf(*w), "", func(path, text string) {
			seen[path] = true
			if text == "" {
				t.Errorf("%s%s is empty", w.Language, path)
			}
			want, known := holes[path]
			if !known {
				t.Errorf("%s%s is not in English", w.Language, path)
			}
			if got := slices.Sorted(slices.Values(hole.FindAllString(text, -1))); !slices.Equal(got, want) {
				t.Errorf("%s%s has the holes %v, English has %v", w.Language, path, got, want)
			}
		})
		for path := range holes {
			if !seen[path] {
				t.Errorf("%s%s is missing", w.Language, path)
			}
		}
	}
}

func has(m map[string][]string, key string) bool { _, ok := m[key]; return ok }

func TestSubjectsAndSentencesAreTheAgreedOnes(t *testing.T) {
	t.Parallel()
	for lang, want := range map[string][3]string{
		"fr": {
			"Suppression de clients terminée",
			"Suppression de clients terminée, avec exceptions",
			"La suppression est terminée. Cette action est irréversible."},
		"de": {
			"Kundenlöschung abgeschlossen",
			"Kundenlöschung abgeschlossen, mit Ausnahmen",
			"Die Löschung ist abgeschlossen und kann nicht rückgängig gemacht werden."},
		"en": {"Client deletion complete", "Client deletion complete, with exceptions", "The deletion is complete. It cannot be undone."},
		"es": {
			"Eliminación de clientes finalizada",
			"Eliminación de clientes finalizada, con excepciones",
			"La eliminación ha finalizado y no se puede deshacer."},
		"it": {
			"Eliminazione dei clienti completata",
			"Eliminazione dei clienti completata, con eccezioni",
			"L'eliminazione è completata e non può essere annullata."},
		"nl": {
			"Verwijdering van klanten voltooid",
			"Verwijdering van klanten voltooid, met uitzonderingen",
			"De verwijdering is voltooid en kan niet ongedaan worden gemaakt."},
	} {
		w := match(lang).of(jobs.Erasure)
		if got := [3]string{w.subject(jobs.Completed), w.subject(jobs.CompletedWithExceptions), w.Done}; got != want {
			t.Errorf("%s:\ngot  %q\nwant %q", lang, got, want)
		}
	}
}

func TestALocaleFindsItsLanguage(t *testing.T) {
	t.Parallel()
	for locale, want := range map[string]string{
		"fr": "fr", "fr-CH": "fr", "fr_CH.UTF-8": "fr", "FR-be": "fr", "de-AT": "de", "gsw": "de",
		"es-419": "es", "it-CH": "it", "nl-BE": "nl", "en-GB": "en", "de_DE@euro": "de",
		"": "en", "ja": "en", "C": "en", "not a locale": "en", "\r\nBcc: x": "en",
	} {
		if got := match(locale).Language; got != want {
			t.Errorf("%q: got %s, want %s", locale, got, want)
		}
	}
}

func TestNumbersFollowTheirLanguage(t *testing.T) {
	t.Parallel()
	for lang, want := range map[string][4]string{
		"fr": {"1\u00a0234\u00a0567", "0 client sur 2 a été supprimé.", "1 client sur 2 a été supprimé.", "2 clients sur 2 ont été supprimés."},
		"de": {"1.234.567", "0 von 2 Kunden wurden gelöscht.", "1 von 2 Kunden wurde gelöscht.", "2 von 2 Kunden wurden gelöscht."},
		"en": {"1,234,567", "0 clients out of 2 were deleted.", "1 client out of 2 was deleted.", "2 clients out of 2 were deleted."},
		"es": {"1.234.567", "Se han eliminado 0 clientes de 2.", "Se ha eliminado 1 cliente de 2.", "Se han eliminado 2 clientes de 2."},
		"it": {"1.234.567", "Sono stati eliminati 0 clienti su 2.", "È stato eliminato 1 cliente su 2.", "Sono stati eliminati 2 clienti su 2."},
		"nl": {"1.234.567", "0 van de 2 klanten zijn verwijderd.", "1 van de 2 klanten is verwijderd.", "2 van de 2 klanten zijn verwijderd."},
	} {
		w := match(lang)
		got := [4]string{w.number(1_234_567)}
		for n := range 3 {
			got[n+1] = w.count(w.Erasure.Sum, n, "total", "2")
		}
		if got != want {
			t.Errorf("%s:\ngot  %q\nwant %q", lang, got, want)
		}
	}
}

func TestTimesFollowTheirLanguage(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.August, 1, 1, 2, 3, 0, time.FixedZone("CEST", 7200)).AddDate(0, 0, 1)
	for lang, want := range map[string]string{
		"fr": "1er août 2026, 23:02:03 UTC",
		"de": "1. August 2026, 23:02:03 UTC",
		"en": "1 August 2026, 23:02:03 UTC",
		"es": "1 de agosto de 2026, 23:02:03 UTC",
		"it": "1º agosto 2026, 23:02:03 UTC",
		"nl": "1 augustus 2026, 23:02:03 UTC",
	} {
		if got := match(lang).moment(at); got != want {
			t.Errorf("%s: got %q, want %q", lang, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "< 1 s", 400 * time.Millisecond: "< 1 s", 7 * time.Second: "7 s", 134 * time.Second: "2 min 14 s",
		time.Hour + 2*time.Minute: "1 h 02 min", 27*time.Hour + 14*time.Minute: "27 h 14 min",
	} {
		if got := duration(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}

func TestReasonsAreWords(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"legal_hold":            "Legal hold",
		jobs.CodeRetained:       "Some data still retained as required by law",
		"vip_customers":         "Rule “vip customers”",
		"ADMIN":                 "Rule “ADMIN”",
		"23503:fk_loyalty_card": "Refused by the database (SQLSTATE 23503, constraint fk_loyalty_card)",
		"XX000:":                "Refused by the database (SQLSTATE XX000)",
		"40001":                 "Refused by the database (SQLSTATE 40001)",
		"odd\r\nname\u202e<b>":  "Rule “odd name <b>”",
		"23503:a\nb":            "Refused by the database (SQLSTATE 23503, constraint a b)",
	} {
		if got := english.reason(code); got != want {
			t.Errorf("%q: got %q, want %q", code, got, want)
		}
	}
}
