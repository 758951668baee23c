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

// Problems lists every mistake in the environment, one line each.
type Problems struct{ Lines []string }

// Error returns the lines. Each begins with its key.
func (p *Problems) Error() string { return strings.Join(p.Lines, "\n") }

// reader holds the values of one environment, and the mistakes found in them.
type reader struct {
	values   map[string]string // set and not empty; secrets from files included
	readFile func(string) ([]byte, error)
	fields   []field
	found    []problem
}

type problem struct{ key, line string }

// traceEndpointKey is the only key without the prefix OUBLI_.
const traceEndpointKey = "OTEL_EXPORTER_OTLP_ENDPOINT"

// newReader returns a reader of the keys that oubli uses.
func newReader(environ []string, readFile func(string) ([]byte, error)) *reader {
	r := &reader{values: map[string]string{}, readFile: readFile}
	for key, value := range env.ToMap(environ) {
		if (strings.HasPrefix(key, prefix) || key == traceEndpointKey) && value != "" {
			r.values[key] = value
		}
	}
	return r
}

// parse fills the struct that into points to, and reports unknown keys. It does not
// use the texts of package env's errors, because they quote values.
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
		if p, ok := errors.AsType[env.ParseError](e); ok && !r.hasMistake(r.keyOf(p.Name)) {
			r.addInvalid(r.keyOf(p.Name))
		}
	}
}

// fromFile reads a secret from the file that KEY_FILE names. Errors do not show the
// path, because people may put the secret itself there by mistake.
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

// causeOf returns why a file cannot be read, without its path.
func causeOf(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return errors.New("unreadable")
}

// add records a mistake.
func (r *reader) add(key, format string, args ...any) {
	r.found = append(r.found, problem{key, key + ": " + fmt.Sprintf(format, args...)})
}

// addInvalid records that the value of key is not valid.
func (r *reader) addInvalid(key string) {
	f := r.field(key)
	if f.secret {
		r.add(r.source(key), "want %s", f.want)
		return
	}
	r.add(key, "want %s, got %s", f.want, shown(r.values[key]))
}

// want records a mistake unless the value of key is unset or valid.
func (r *reader) want(key string, valid bool) {
	if r.values[key] != "" && !valid && !r.hasMistake(key) {
		r.addInvalid(key)
	}
}

// missing records that key must be set, if it is not and has no mistake yet.
func (r *reader) missing(key string) {
	if r.values[key] != "" || r.hasMistake(key) {
		return
	}
	f := r.field(key)
	also := ""
	if f.secret {
		also = " (or its file in " + key + fileSuffix + ")"
	}
	r.add(key, "not set; want %s%s", f.want, also)
}

// hasMistake reports whether a mistake of key is recorded already.
func (r *reader) hasMistake(key string) bool {
	return slices.ContainsFunc(r.found, func(p problem) bool { return p.key == key || p.key == key+fileSuffix })
}

// source returns the key that a secret's value came from: KEY or KEY_FILE.
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

// problems returns every mistake, in the order of the fields and with unknown keys
// last, or nil if there is none.
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

// shown returns a value in a form that an error may quote: short and on one line.
// A value that may contain a password is not quoted.
func shown(value string) string {
	if strings.Contains(value, "@") && strings.Contains(value, "//") {
		return "a URL with a user, which is not shown"
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
