package mapinit

import (
	"cmp"
	"slices"

	"github.com/oubli/oubli/internal/dictionary"
	"github.com/oubli/oubli/internal/plan"
)

// Facts are read from the live database in addition to the catalog: counts, and how
// the database spells the words of questions. They contain no other text of a row.
type Facts struct {
	Enums    map[string][]string // a type's name as the catalog writes it → its labels
	Views    []View
	Triggers []Trigger
	Answers  []Answer
}

// View is a view or a materialized view and the relations that it reads.
type View struct {
	Schema, Name string
	Materialized bool
	Reads        []Read
}

// Read is a relation that a view reads.
type Read struct{ Schema, Name string }

// Trigger is a user trigger.
type Trigger struct {
	InsertOnly          bool // does not fire for UPDATE or DELETE
	Schema, Table, Name string
	When                string // "before update, each row"
	Function            string
}

// QuestionKind is the kind of a [Question].
type QuestionKind string

// The kinds of question.
const (
	// AskReference: how many sampled values of Column are keys of a client?
	AskReference QuestionKind = "reference"
	// AskPair: how does TypeColumn spell the names of the tables in Words, how
	// often, and how many of the rows' Column are keys of a client?
	AskPair QuestionKind = "pair"
	// AskKeys: which of Words are keys inside the JSON of Column, on which path?
	AskKeys QuestionKind = "keys"
)

// Question asks about sampled rows. Its answer contains counts, and texts only if they
// are a spelling of one of Words.
type Question struct {
	Kind       QuestionKind
	Schema     string
	Table      string
	Column     string
	TypeColumn string   // of a pair
	TypeTable  string   // its schema and table, when the type column refers to Django's content types
	Words      []string // lower case, letters and digits only
	Within     []string // AskKeys: further keys that a path may contain
}

// Answer is the result of a bounded sample.
type Answer struct {
	Question
	Unread   bool // the database refused, or the sample took too long
	Sampled  int  // rows with a value
	Distinct int  // different values among them, of a reference
	Hits     int  // values that are keys of a client
	Spelled  []Spelling
}

// Spelling is a word of the question, as the database writes it: a type's name, or the
// dotted path to a key.
type Spelling struct {
	Text string
	Rows int
	Hits int // rows whose reference is a key of a client
}

// Client is the client table and its key, with which samples are compared.
type Client struct {
	Relation *plan.Relation
	Key      *plan.Column
}

// Questions lists what to ask the live database before the map is written, in
// a stable order, and the table whose keys the samples are compared with.
func Questions(cat *plan.Catalog, o Options) ([]Question, Client, error) {
	p, err := begin(cat, o, &Facts{})
	if err != nil {
		return nil, Client{}, err
	}
	var all []Question
	names := p.tableWords()
	for i := range cat.Relations {
		r := &cat.Relations[i]
		if r.Kind == "m" || r.Kind == "f" {
			continue
		}
		ask := func(q Question) {
			q.Schema, q.Table = r.Schema, r.Name
			all = append(all, q)
		}
		for k := range r.Columns {
			col := &r.Columns[k]
			switch {
			case col.Base == "json" || col.Base == "jsonb":
				if !col.Array {
					ask(Question{Kind: AskKeys, Column: col.Name, Words: dictionary.PersonalKeys(), Within: dictionary.StructuralKeys()})
				}
			case isForeign(r, col.Name) || r == p.client && col.Name == p.key.Name:
			case typeColumn(r, col) != "":
				typed := typeColumn(r, col)
				ask(Question{Kind: AskPair, Column: col.Name, TypeColumn: typed, TypeTable: contentTypes(r, typed), Words: names})
			case p.couldRefer(r, col):
				ask(Question{Kind: AskReference, Column: col.Name})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Question) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Column, b.Column))
	})
	return all, Client{p.client, p.key}, nil
}

// answer returns the result of a column's sample; nil if it was not read.
func (p *proposal) answer(kind QuestionKind, r *plan.Relation, column string) *Answer {
	for i := range p.facts.Answers {
		a := &p.facts.Answers[i]
		if a.Kind == kind && a.Schema == r.Schema && a.Table == r.Name && a.Column == column && !a.Unread {
			return a
		}
	}
	return nil
}
