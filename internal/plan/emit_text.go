package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// text builds one statement over a model. Parameters are numbered as they first
// appear.
type text struct {
	emitter
	b    strings.Builder
	args []Arg
	// wholeJob says that the keys are those of all clients that a job has left, and
	// are read from its tasks.
	wholeJob bool
}

func (em emitter) text() *text { return &text{emitter: em} }

func (t *text) add(format string, a ...any) *text {
	fmt.Fprintf(&t.b, format, a...)
	return t
}

// arg is the placeholder of a, without a cast.
func (t *text) arg(a Arg) string {
	i := slices.Index(t.args, a)
	if i < 0 {
		t.args = append(t.args, a)
		i = len(t.args) - 1
	}
	return fmt.Sprintf("$%d", i+1)
}

// scalar is the placeholder of a text parameter, cast to a type.
func (t *text) scalar(a Arg, typ string) string {
	if typ == "text" {
		return t.arg(a) + "::text"
	}
	return t.arg(a) + "::text::" + typ
}

// array is the placeholder of a text[] parameter, cast to an array of a type.
func (t *text) array(a Arg, typ string) string {
	if a.Kind == ArgKeys && t.wholeJob {
		keys := fmt.Sprintf("(SELECT coalesce(array_agg(k), '{}') FROM oubli.tasks AS q, unnest(q.keys[q.position + 1:]) AS k "+
			"WHERE q.job_id = %s::text::uuid AND q.kind = 'batch')::text[]", t.arg(Arg{Kind: ArgJob}))
		if typ == "text" {
			return keys
		}
		return keys + "::" + typ + "[]"
	}
	if typ == "text" {
		return t.arg(a) + "::text[]"
	}
	return t.arg(a) + "::text[]::" + typ + "[]"
}

func (t *text) statement(name, table string) Statement {
	return Statement{Name: name, Table: table, SQL: t.b.String(), Args: t.args}
}

func ident(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

func (r *Relation) ident() string { return ident(r.Schema, r.Name) }

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func where(cond, extra string) string {
	if extra == "" {
		return cond
	}
	return cond + " AND (" + extra + ")"
}
