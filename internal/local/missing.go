package local

import "strings"

// Program is something that Install can install.
type Program string

// The programs that local servers need.
const (
	PostgreSQL  Program = "PostgreSQL 14 or newer"
	RedisServer Program = "redis-server"
)

// MissingError says that programs are not installed.
type MissingError struct {
	What []Program
}

// Error names the programs and, where it is known, the line that installs them
// on this machine.
func (e *MissingError) Error() string {
	names := make([]string, len(e.What))
	for i, p := range e.What {
		names[i] = string(p)
	}
	what, verb := strings.Join(names, " and "), " is"
	if len(names) > 1 {
		verb = " are"
	}
	m := findManager()
	if m == nil {
		return what + verb + " not installed"
	}
	return what + verb + " not installed; run: " + m.line(e.What)
}

// missing returns those of the programs that this machine lacks.
func missing(what []Program, has func(Program) bool) []Program {
	var lacking []Program
	for _, p := range what {
		if !has(p) {
			lacking = append(lacking, p)
		}
	}
	return lacking
}
