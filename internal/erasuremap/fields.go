package erasuremap

import "slices"

// fields is a mapping with fixed keys: those with which take and need were called.
type fields struct {
	r       *reader
	what    string // in problems: "a table"
	pos     Pos
	entries []entry
	known   []string
	broken  bool // the value is not a mapping, which has been reported
}

func (r *reader) fields(v value, what string) *fields {
	f := &fields{r: r, what: what, pos: v.pos}
	if v.null() {
		r.problemf(v.pos, "%s is empty", what)
		f.broken = true
		return f
	}
	entries, ok := r.mapping(v, "a mapping")
	f.entries, f.broken = entries, !ok
	return f
}

// take returns the value of an optional key.
func (f *fields) take(key string) value {
	if !slices.Contains(f.known, key) {
		f.known = append(f.known, key)
	}
	for _, e := range f.entries {
		if e.key == key {
			return e.value
		}
	}
	return value{pos: f.pos}
}

// need returns the value of a required key.
func (f *fields) need(key string) value {
	v := f.take(key)
	if !v.set && !f.broken {
		f.r.problemf(f.pos, "%s needs %s", f.what, key)
	}
	return v
}

// has reports whether the key is there.
func (f *fields) has(key string) bool { return f.take(key).set }

// at returns the place of a key's value, or of the mapping if the key is missing.
func (f *fields) at(key string) Pos { return f.take(key).pos }

// key returns the place of the key itself.
func (f *fields) key(key string) Pos {
	for _, e := range f.entries {
		if e.key == key {
			return e.at
		}
	}
	return f.pos
}

// without refuses keys that are not allowed here.
func (f *fields) without(because string, keys ...string) {
	for _, k := range keys {
		if f.has(k) {
			f.r.problemf(f.key(k), "%s: leave out %s", because, k)
		}
	}
}

// close refuses all other keys than those of take and need.
func (f *fields) close() {
	for _, e := range f.entries {
		if !slices.Contains(f.known, e.key) {
			f.r.problemf(e.at, "unknown key %q in %s: %s", e.key, f.what, suggest(e.key, f.known))
		}
	}
}
