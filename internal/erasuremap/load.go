package erasuremap

import (
	"fmt"
	"io"
	"os"
	"slices"
)

// MaxSize is the largest map that is read, in bytes.
const MaxSize = 1 << 20

// Load reads the map in the named file. If the file can be read but the map is
// wrong, the error is [Problems].
func Load(path string) (*Map, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read map: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read map: %w", err)
	}
	return Parse(path, data)
}

// Parse reads a map from data; positions have file as their file name. The error is
// of type [Problems] and lists every mistake, in the file's order. If the file is
// not valid YAML, only that is reported.
func Parse(file string, data []byte) (*Map, error) {
	r := &reader{source: newSource(file, data)}
	root, ok := r.parse()
	if !ok {
		return nil, r.sorted()
	}
	m := r.readMap(root)
	if len(r.problems) > 0 {
		return nil, r.sorted()
	}
	return m, nil
}

func (r *reader) readMap(root value) *Map {
	f := r.fields(root, "the map")
	m := &Map{File: r.file}
	if !r.readVersion(f) {
		return m
	}
	r.hasTenant = f.take("tenant").set
	m.Labels = r.readLabels(f.take("labels"))
	r.ownLabels = m.Labels
	m.MinPeriod = r.readMinPeriod(f.take("min_period"))
	m.Profiles = r.readProfiles(f.take("profiles"))

	d := &draft{Map: m}
	d.readTenant(r, f.take("tenant"))
	d.readClient(r, f.need("client"))
	m.Guards = r.readGuards(f.take("guards"))
	m.Activity = r.readActivity(f.take("activity"))
	m.Retention = r.readRetention(f.take("retention"))
	m.Ignore = r.readIgnore(f.take("ignore"))
	m.Triggers = r.readTriggers(f.take("triggers"))
	m.Refresh = r.readRefresh(f.take("refresh"))
	for _, v := range r.items(f.take("tables"), "a list of tables") {
		d.entries = append(d.entries, r.readTable(v))
	}
	f.close()

	d.check(r)
	for _, e := range d.entries {
		m.Tables = append(m.Tables, e.Table)
	}
	return m
}

// readVersion reports whether this program reads maps of the file's version. If
// not, nothing else in the file is checked.
func (r *reader) readVersion(f *fields) bool {
	v := f.take("version")
	if !v.set {
		if !f.broken {
			r.problemf(f.pos, "version is missing: write version: 1")
		}
		return true
	}
	if r.todo(v) {
		return true
	}
	if text, _ := verbatim(v.node); text != "1" {
		r.problemf(v.pos, "this program reads maps of version 1: write version: 1")
		return false
	}
	return true
}

func (r *reader) sorted() Problems {
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return a.Pos.compare(b.Pos) })
	return slices.Compact(r.problems)
}
