package erasuremap

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// UnknownClient is the label that replaces a person's name.
const UnknownClient = "unknown_client"

var builtin = map[string]map[string]string{
	UnknownClient: {
		"fr": "Client inconnu",
		"de": "Unbekannter Kunde",
		"en": "Unknown client",
		"es": "Cliente desconocido",
		"it": "Cliente sconosciuto",
		"nl": "Onbekende klant",
	},
}

func labelNames(own map[string]map[string]string) []string {
	names := slices.Concat(slices.Collect(maps.Keys(builtin)), slices.Collect(maps.Keys(own)))
	slices.Sort(names)
	return slices.Compact(names)
}

// LabelText returns the label's text in the language that fits best to the locale, a
// BCP 47 tag: fr-CH, else fr, else English, else the first language in alphabetical
// order (lookup, RFC 4647 section 3.4). Texts of the map replace built-in ones. The
// text is empty for an unknown label.
func (m *Map) LabelText(label, locale string) string {
	texts := maps.Clone(builtin[label])
	if own := m.Labels[label]; len(own) > 0 {
		if texts == nil {
			texts = map[string]string{}
		}
		maps.Copy(texts, own)
	}
	for tag := canonicalTag(locale); tag != ""; tag = shorterTag(tag) {
		if text, ok := texts[tag]; ok {
			return text
		}
	}
	if text, ok := texts["en"]; ok {
		return text
	}
	for _, tag := range slices.Sorted(maps.Keys(texts)) {
		return texts[tag]
	}
	return ""
}

// LabelTexts returns the label's texts by language.
func (m *Map) LabelTexts(label string) []string {
	texts := map[string]string{}
	maps.Copy(texts, builtin[label])
	maps.Copy(texts, m.Labels[label])
	var all []string
	for _, tag := range slices.Sorted(maps.Keys(texts)) {
		all = append(all, texts[tag])
	}
	return all
}

// canonicalTag also reads the POSIX form, fr_CH.UTF-8, which applications store.
func canonicalTag(s string) string {
	s, _, _ = strings.Cut(s, ".")
	s, _, _ = strings.Cut(s, "@")
	return strings.ToLower(strings.ReplaceAll(s, "_", "-"))
}

// shorterTag drops the last subtag, and one that introduced it: zh-x-a → zh.
func shorterTag(tag string) string {
	i := strings.LastIndexByte(tag, '-')
	if i < 0 {
		return ""
	}
	tag = tag[:i]
	if i := strings.LastIndexByte(tag, '-'); i >= 0 && i == len(tag)-2 {
		tag = tag[:i]
	}
	return tag
}

var tagForm = regexp.MustCompile(`^[a-z]{2,8}(-[a-z0-9]{1,8})*$`)

func (r *reader) readLabels(v value) map[string]map[string]string {
	labels := map[string]map[string]string{}
	for _, e := range r.named(v, "labels by name") {
		texts := map[string]string{}
		languages, _ := r.mapping(e.value, "texts by language, as in {fr: …}")
		for _, l := range languages {
			tag := canonicalTag(l.key)
			if !tagForm.MatchString(tag) {
				r.problemf(l.at, "%q is no language tag: write one such as fr or de-AT (BCP 47)", l.key)
				continue
			}
			if _, twice := texts[tag]; twice {
				r.problemf(l.at, "%q is given twice", tag)
			}
			texts[tag] = r.text(l.value, "the label's text")
		}
		if len(languages) == 0 && (e.null() || e.is() == "a mapping") {
			r.problemf(e.at, "label %q needs a text, as in {fr: …}", e.key)
		}
		labels[e.key] = texts
	}
	return labels
}
