package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/caarlos0/env/v11"
)

// Problems is every mistake in the environment, one line each.
type Problems struct{ Lines []string }

// Error is the lines, each beginning with its key.
func (p *Problems) Error() string { return strings.Join(p.Lines, "\n") }

// reader collects the values of one environment and what is wrong with them.
type reader struct {
	values   map[string]string // set and not empty; secrets from files included
	readFile func(string) ([]byte, error)
	fields   []field
	found    []problem
}

type problem struct{ key, line string }

// traceEndpointKey is the one key that is not oubli's own.
const traceEndpointKey = "OTEL_EXPORTER_OTLP_ENDPOINT"

// newReader keeps the part of the environment that oubli reads.
func newReader(environ []string, readFile func(string) ([]byte, error)) *reader {
	r := &reader{values: map[string]string{}, readFile: readFile}
	for key, value := range env.ToMap(environ) {
		if (strings.HasPrefix(key, prefix) || key == traceEndpointKey) && value != "" {
			r.values[key] = value
		}
	}
	return r
}

// parse fills the struct that into points to and refuses keys that nobody
// knows. env's own error texts quote values, so only the field is taken from
// them.
func (r *reader) parse(into any) {
	r.fields = fieldsOf(reflect.TypeOf(into).Elem())
	r.refuseUnknown()
	for _, f := range r.fields {
		if f.secret {
			r.fromFile(f)
		}
	}
	err := env.ParseWithOptions(into, env.Options{Environment: r.values})
	all, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		return
	}
	for _, e := range all.Errors {
		if p, ok := errors.AsType[env.ParseError](e); ok && !r.blames(r.keyOf(p.Name)) {
			r.unwanted(r.keyOf(p.Name))
		}
	}
}

// fromFile takes a secret from the file that KEY_FILE names. The path is never
// shown: people put the secret itself there by mistake.
func (r *reader) fromFile(f field) {
	fileKey := f.key + fileSuffix
	path := r.values[fileKey]
	if path == "" {
		return
	}
	if r.values[f.key] != "" {
		r.add(f.key, "set together with %s; keep one of them", fileKey)
		return
	}
	b, err := r.readFile(path)
	if err != nil {
		r.add(fileKey, "cannot read the file: %v", causeOf(err))
		return
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if value == "" {
		r.add(fileKey, "the file is empty")
		return
	}
	r.values[f.key] = value
}

// causeOf is why a file cannot be read, without its path.
func causeOf(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return errors.New("unreadable")
}

// add notes a mistake.
func (r *reader) add(key, format string, args ...any) {
	r.found = append(r.found, problem{key, key + ": " + fmt.Sprintf(format, args...)})
}

// unwanted notes that the value of key is not what its field wants.
func (r *reader) unwanted(key string) {
	f := r.field(key)
	if f.secret {
		r.add(r.source(key), "want %s", f.want)
		return
	}
	r.add(key, "want %s, got %s", f.want, shown(r.values[key]))
}

// want notes a mistake unless the value of key is unset or right.
func (r *reader) want(key string, right bool) {
	if r.values[key] != "" && !right && !r.blames(key) {
		r.unwanted(key)
	}
}

// missing notes that key must be set, unless something is wrong with it already.
func (r *reader) missing(key string) {
	if r.values[key] != "" || r.blames(key) {
		return
	}
	f := r.field(key)
	also := ""
	if f.secret {
		also = " (or its file in " + key + fileSuffix + ")"
	}
	r.add(key, "not set; want %s%s", f.want, also)
}

// blames reports whether something is wrong with key already.
func (r *reader) blames(key string) bool {
	return slices.ContainsFunc(r.found, func(p problem) bool { return p.key == key || p.key == key+fileSuffix })
}

// source is the key that the value of a secret came from.
func (r *reader) source(key string) string {
	if r.values[key+fileSuffix] != "" {
		return key + fileSuffix
	}
	return key
}

func (r *reader) field(key string) field {
	i := slices.IndexFunc(r.fields, func(f field) bool { return f.key == key })
	return r.fields[i]
}

func (r *reader) keyOf(name string) string {
	i := slices.IndexFunc(r.fields, func(f field) bool { return f.name == name })
	return r.fields[i].key
}

// problems is nil, or every mistake in the order of the fields; unknown keys
// come last.
func (r *reader) problems() error {
	if len(r.found) == 0 {
		return nil
	}
	place := func(p problem) int {
		i := slices.IndexFunc(r.fields, func(f field) bool { return f.key == p.key || f.key+fileSuffix == p.key })
		if i < 0 {
			return len(r.fields)
		}
		return i
	}
	slices.SortStableFunc(r.found, func(a, b problem) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.line, b.line))
	})
	p := &Problems{}
	for _, f := range r.found {
		p.Lines = append(p.Lines, f.line)
	}
	return p
}

// shown is a value as an error may quote it: short, on one line, and not at
// all when it may hold a password.
func shown(value string) string {
	if strings.Contains(value, "@") && strings.Contains(value, "//") {
		return "something with a user in it"
	}
	if r := []rune(value); len(r) > 60 {
		value = string(r[:60]) + "…"
	}
	odd := func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == '"' }
	if strings.ContainsFunc(value, odd) {
		return fmt.Sprintf("%q", value)
	}
	return value
}
