package httpapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/oubli/oubli/jobs"
)

// maxFaults is the number of faults after which reading stops.
const maxFaults = 20

// field defines how one field of a JSON object is read.
type field struct {
	required bool
	read     func(*reader)
}

// reader reads a JSON body strictly. encoding/json would accept a field twice or
// in another case, and would convert integers through floats. A request that
// erases data must have one meaning only.
type reader struct {
	dec    *json.Decoder
	at     string // JSON Pointer of the value being read
	faults []Fault
}

// readBody reads data as one JSON object with these fields. It reports the faults
// that checkCombination, if not nil, finds after that together with its own.
func readBody(data []byte, fields map[string]field, checkCombination func() []Fault) *Problem {
	if len(bytes.TrimSpace(data)) == 0 {
		return newProblem("body_missing", "Send a JSON object as the body.")
	}
	// json.Valid also bounds the depth. After it, the tokens can be read
	// without checking for syntax errors.
	if !utf8.Valid(data) || !json.Valid(data) {
		return newProblem("malformed_json", "The body is not valid JSON in UTF-8.")
	}
	r := &reader{dec: json.NewDecoder(bytes.NewReader(data))}
	r.dec.UseNumber()
	r.object(fields)
	if checkCombination != nil && len(r.faults) < maxFaults {
		r.faults = append(r.faults, checkCombination()...)
	}
	if len(r.faults) > 0 {
		return invalid(r.faults...)
	}
	return nil
}

// object reads an object with exactly these fields.
func (r *reader) object(fields map[string]field) {
	tok := r.next()
	if tok != json.Delim('{') {
		r.wrongType(tok, "an object")
		return
	}
	here := r.at
	seen := map[string]bool{}
	for r.more() {
		name, _ := r.next().(string)
		f, known := fields[name]
		switch {
		case !known:
			// Do not quote the name: it could contain anything.
			r.fault("unknown_field", "Unknown field. The fields of this object are "+list(fields)+".")
			r.skip(r.next())
		case seen[name]:
			r.faultAt(here+"/"+name, "duplicate_field", "This field appears twice.")
			r.skip(r.next())
		default:
			r.at = here + "/" + name
			f.read(r)
			r.at = here
		}
		seen[name] = known
	}
	r.close()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name].required && !seen[name] {
			r.faultAt(here+"/"+name, "required", "This field is required.")
		}
	}
}

// array reads an array of minItems to maxItems items, calling item for each.
func (r *reader) array(minItems, maxItems int, item func(tok json.Token)) {
	tok := r.next()
	if tok != json.Delim('[') {
		r.wrongType(tok, "an array")
		return
	}
	here, n := r.at, 0
	for ; r.more() && n <= maxItems; n++ {
		tok := r.next()
		if n == maxItems {
			r.fault("too_many", "At most "+strconv.Itoa(maxItems)+" are allowed.")
			r.skip(tok)
			continue
		}
		r.at = here + "/" + strconv.Itoa(n)
		item(tok)
		r.at = here
	}
	for r.more() {
		r.skip(r.next())
	}
	r.close()
	if n < minItems {
		r.fault("too_few", "At least "+strconv.Itoa(minItems)+" required.")
	}
}

// text reads a string of at most limit characters. A multiline text may have line
// breaks and tabs; other control characters are refused.
func (r *reader) text(into *string, limit int, multiline bool) {
	s, ok := r.str(r.next())
	switch {
	case !ok:
	case utf8.RuneCountInString(s) > limit:
		r.fault("bad_value", "At most "+strconv.Itoa(limit)+" characters are allowed.")
	case slices.ContainsFunc([]rune(s), func(c rune) bool {
		return unicode.IsControl(c) && !(multiline && (c == '\n' || c == '\r' || c == '\t'))
	}):
		r.fault("bad_value", "Control characters are not allowed.")
	default:
		*into = s
	}
}

// str returns tok as a string, or reports a fault.
func (r *reader) str(tok json.Token) (string, bool) {
	s, ok := tok.(string)
	if !ok {
		r.wrongType(tok, "a string")
	}
	return s, ok
}

// boolean reads true or false.
func (r *reader) boolean(into *bool) {
	tok := r.next()
	b, ok := tok.(bool)
	if !ok {
		r.wrongType(tok, "true or false")
	}
	*into = b
}

// count reads a whole number from 0 to 2³¹-1.
func (r *reader) count(into *int) {
	tok := r.next()
	number, ok := tok.(json.Number)
	if !ok {
		r.wrongType(tok, "a whole number")
		return
	}
	n, err := strconv.ParseInt(number.String(), 10, 32)
	if err != nil || n < 0 {
		r.fault("bad_value", "Want a whole number of 0 or more.")
	}
	*into = int(n)
}

// key returns tok as a client's key, or reports a fault. A key is a string or a
// whole number, which is not converted through a float.
func (r *reader) key(tok json.Token) (string, bool) {
	switch tok := tok.(type) {
	case string:
		switch {
		case tok == "":
			r.fault("bad_value", "A client id cannot be empty.")
		case len(tok) > jobs.MaxKeyLength:
			r.fault("bad_value", "A client id has at most "+strconv.Itoa(jobs.MaxKeyLength)+" bytes.")
		case hasControl(tok) || hasReplacementChar(tok):
			r.fault("bad_value", "A client id may not have control characters or invalid Unicode.")
		default:
			return tok, true
		}
	case json.Number:
		n, err := strconv.ParseInt(tok.String(), 10, 64)
		if err == nil {
			return strconv.FormatInt(n, 10), true
		}
		r.fault("wrong_type", "A client id that is a number must be a whole number of at most 64 bits, without fraction or exponent.")
	default:
		r.wrongType(tok, "a string or a whole number")
	}
	return "", false
}

// hasReplacementChar reports whether s contains U+FFFD. The JSON decoder writes it
// for an invalid escape (half of a surrogate pair), so that the text differs from
// the one that the caller sent.
func hasReplacementChar(s string) bool { return bytes.ContainsRune([]byte(s), utf8.RuneError) }

// wrongType reports that the value tok has another type than want, and skips it.
func (r *reader) wrongType(tok json.Token, want string) {
	detail := "Want " + want + "."
	if tok == nil {
		detail = "Want " + want + ", not null; leave the field out for its default."
	}
	r.fault("wrong_type", detail)
	r.skip(tok)
}

func (r *reader) fault(code, detail string) { r.faultAt(r.at, code, detail) }

func (r *reader) faultAt(at, code, detail string) {
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, Fault{Code: code, Detail: detail, Pointer: at})
	}
}

// more reports whether the object or array has more items and reading has not
// stopped for too many faults.
func (r *reader) more() bool { return len(r.faults) < maxFaults && r.dec.More() }

// next returns the next token. There is always one, because readBody has checked
// that the body is valid JSON.
func (r *reader) next() json.Token {
	tok, _ := r.dec.Token()
	return tok
}

// close reads the end of an object or array, unless reading stopped before it.
func (r *reader) close() {
	if !r.dec.More() {
		r.next()
	}
}

// skip reads the rest of the value that begins with tok.
func (r *reader) skip(tok json.Token) {
	for depth := 0; ; tok = r.next() {
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth <= 0 {
			return
		}
	}
}

// list returns the names of the fields as an English list.
func list(fields map[string]field) string {
	names := slices.Sorted(maps.Keys(fields))
	out := ""
	for i, name := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			out += " and "
		default:
			out += ", "
		}
		out += name
	}
	return out
}
