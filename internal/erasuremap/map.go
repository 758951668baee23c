package erasuremap

import (
	"fmt"
	"strings"
	"time"
)

// Pos is a place in the map's file. Lines and columns count from 1.
type Pos struct {
	File         string
	Line, Column int
}

// String returns the place as editors understand it: oubli.yaml:12:5.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Name is a relation's name as the catalog spells it. If the map does not name the
// schema, Schema is empty and the database's search path decides.
type Name struct{ Schema, Relation string }

// String returns the name as it is written in a map; a part that contains a dot or a
// double quote is in double quotes.
func (n Name) String() string {
	if n.Schema == "" {
		return quote(n.Relation)
	}
	return quote(n.Schema) + "." + quote(n.Relation)
}

func quote(s string) string {
	if s != "" && !strings.ContainsAny(s, `."`) {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// Map is a map whose parts are consistent with each other.
type Map struct {
	File      string
	Tenant    *Tenant // nil: there is one tenant and no tenant column
	Client    Client
	Profiles  int    // how many anonymous profiles a tenant may have; 200 if the map does not say
	MinPeriod string // shortest period of a selection (ISO 8601); P30D if the map has none
	Guards    []Guard
	Activity  []Activity
	Tables    []Table
	Ignore    []Ignored
	Triggers  []Acknowledged
	Refresh   []Refresh
	Retention []Retention
	Labels    map[string]map[string]string // label → language → text, without the built-in ones
}

// Tenant is the table of tenants.
type Tenant struct {
	Pos     Pos
	Table   Name
	Key     string
	Country string // column with an ISO 3166 code; empty: none
	Locale  string // column with a BCP 47 tag; empty: none

	TimeZone      string // column with a time zone's name, such as Europe/Vienna; empty: none
	FiscalYearEnd string // column with the last month or the last day (MM-DD) of fiscal years; empty: none
}

// Client is the table of clients, with the rules for a client's own row.
type Client struct {
	Pos   Pos
	Table Name
	Key   string
	// KeyIsPersonal says that the key itself is personal data, such as an e-mail
	// address, so that it must not stay with jobs.
	KeyIsPersonal bool

	Tenant    string // column; empty when the map has no tenant
	CreatedAt string // column; empty: none
	Name      []string
	Erase     ClientAction
	Columns   []ColumnRule // for Anonymize: a rule for each column of the row that stays
	Anonymous []ColumnRule // the values with which an anonymous profile is inserted
	Fill      []string     // columns that a merge may copy if the target's value is blank
}

// ClientAction is what erasing does to the client's own row.
type ClientAction string

// The actions on the client's own row.
const (
	DeleteClient ClientAction = "delete"
	Anonymize    ClientAction = "anonymize" // keep the row without personal data; its rows still refer to it
)

// Guard is a condition under which a client is not erased. Without a Table, the
// condition is about the client's own row. With a Table, the guard protects a client
// to whom any row of Table refers for which the condition is true.
type Guard struct {
	Pos         Pos
	Name        string
	Table       Name
	Reference   string
	References  *References // nil: the client's key
	Where       string      // SQL
	WherePos    Pos
	Overridable bool
}

// Activity is a kind of row that makes a client active at a point in time.
type Activity struct {
	Pos        Pos
	Name       string
	Table      Name
	Reference  string
	References *References // nil: the client's key
	At         string      // column
	Where      string      // SQL; empty: every row counts
	WherePos   Pos
}

// Table has the rules for the rows of one table that belong to a client by one path.
// A table with several paths to a client has several entries.
type Table struct {
	Pos          Pos
	Table        Name
	Reference    string      // column that refers to the client, or to a row of Through
	References   *References // what Reference holds; nil: the client's key, or the key of Through
	Through      Name        // parent table; zero: the client itself
	OwnedBy      string      // column of the client's row that points to this table; instead of Reference
	Where        string      // SQL condition that selects the rows, for references without a foreign key
	WherePos     Pos
	Erase        Action
	Merge        Action
	Columns      []ColumnRule
	Retain       *Retain
	CarriesValue bool // a merge never deletes such a row
}

// References says that a reference holds the value of another column than the key.
type References struct {
	Pos        Pos
	Column     string // of the client, or of the parent
	IgnoreCase bool   // texts that differ only in case are the same value
}

// Action is what erasing or merging does to rows that belong to a client.
type Action string

// The actions. Erase may be Delete, Reassign, Unlink or Keep; Merge may be Move,
// Delete or Keep.
const (
	Delete   Action = "delete"
	Reassign Action = "reassign" // to the tenant's anonymous profile
	Unlink   Action = "unlink"   // the reference becomes NULL
	Keep     Action = "keep"     // only the column rules change the row
	Move     Action = "move"     // to the merge's target
)

// ColumnRule is the rule for one column of a row that is kept.
type ColumnRule struct {
	Pos    Pos
	Column string
	Rule
}

// RuleKind is the kind of a column rule.
type RuleKind string

// The kinds of column rule.
const (
	KeepValue  RuleKind = "keep"
	Null       RuleKind = "null"
	Value      RuleKind = "value"
	Label      RuleKind = "label"
	Truncate   RuleKind = "truncate"
	JSONRemove RuleKind = "json_remove"
	SQL        RuleKind = "sql"
)

// Rule is a column rule: its kind and the one operand of that kind.
type Rule struct {
	Kind RuleKind
	// Text is, for Value, the value in PostgreSQL's text format; for Label, the
	// label's name; for Truncate, year or month; for SQL, the expression.
	Text  string
	Paths []string // JSONRemove: dotted paths
}

// Retain names columns that the law keeps for a period.
type Retain struct {
	Pos   Pos
	Rule  string // name of a Retention
	Since string // column with the date from which the period counts
	// SinceOf is the table of Since, a parent that Through leads to; zero: the row's own.
	SinceOf Name
	Columns []ColumnRule
}

// Retention is a rule that says how long columns are kept.
type Retention struct {
	Pos       Pos
	Name      string
	Countries map[string][]Period // by ISO 3166 country code, upper case
	Otherwise []Period            // for all other countries; empty: every country must be named
}

// Period is how long columns are kept under the law that came into force on From.
type Period struct {
	From  time.Time // the day on which the law came into force; zero for the first of a country
	Clock Clock
	Years int
}

// Clock is the moment from which a period's years count.
type Clock string

// The clocks.
const (
	IssueDate       Clock = "issue_date"
	EndOfYear       Clock = "end_of_year"
	EndOfFiscalYear Clock = "end_of_fiscal_year"
	// EndOfYearOfFiscalYear is the end of the calendar year in which the fiscal
	// year ended: Sweden's Bokföringslag 7:2.
	EndOfYearOfFiscalYear Clock = "end_of_year_of_fiscal_year"
)

// Ignored is a table that looks as if it contains personal data but does not.
type Ignored struct {
	Pos     Pos
	Table   Name
	Because string
}

// Acknowledged is a user trigger whose effect the map's author has checked.
type Acknowledged struct {
	Pos     Pos
	Name    string
	Table   Name // zero: on every mapped table
	Because string
}

// Refresh is a materialized view that is refreshed at the end of a job.
type Refresh struct {
	Pos  Pos
	View Name
}

// ProfileOwner is the tenant id under which a tenant's anonymous profiles are
// recorded. In a database of one tenant it is "-", whatever tenant id a token names.
func (m *Map) ProfileOwner(tenant string) string {
	if m.Tenant == nil {
		return "-"
	}
	return tenant
}
