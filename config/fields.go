package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
)

const (
	prefix     = "OUBLI_"
	fileSuffix = "_FILE"
)

// field is one key and a description of its valid values.
type field struct {
	name, key, want string
	secret          bool
}

// fieldsOf lists the fields of a struct that have a key.
func fieldsOf(t reflect.Type) []field {
	secrets := []reflect.Type{reflect.TypeFor[Secret](), reflect.TypeFor[Redis](), reflect.TypeFor[SMTP](), reflect.TypeFor[Recipients]()}
	var fields []field
	for f := range t.Fields() {
		key := f.Tag.Get("env")
		if key == "" || key == "-" {
			continue
		}
		fields = append(fields, field{
			name: f.Name, key: key, want: f.Tag.Get("want"),
			secret: slices.Contains(secrets, f.Type),
		})
	}
	return fields
}

// knownKeys lists every key that any command reads.
func knownKeys() []string {
	var keys []string
	for _, t := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[Client]()} {
		for _, f := range fieldsOf(t) {
			keys = append(keys, f.key)
			if f.secret {
				keys = append(keys, f.key+fileSuffix)
			}
		}
	}
	return keys
}

// injected matches the variables that Docker links and Kubernetes set in
// containers when there is a service whose name begins with "oubli".
var injected = regexp.MustCompile(`^OUBLI(_[A-Z0-9_]+)?_` +
	`(NAME|ENV_.+|SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?)$`)

// refuseUnknown reports keys that no command reads. Otherwise the default would
// apply without a warning if a key is misspelt.
func (r *reader) refuseUnknown() {
	known := knownKeys()
	for key := range r.values {
		if slices.Contains(known, key) || strings.HasPrefix(key, "OUBLI_TEST_") || injected.MatchString(key) {
			continue
		}
		r.add(key, "unknown key; the most similar known key is %s", nearest(key, known))
	}
}

// nearest returns the known key with the smallest edit distance.
func nearest(key string, known []string) string {
	return slices.MinFunc(known, func(a, b string) int { return distance(key, a) - distance(key, b) })
}

// distance counts the insertions, deletions and replacements of letters, and swaps
// of neighbouring letters, that turn a into b (optimal string alignment).
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j+1]+1, next[j]+1, row[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
