package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Plan is everything that erasing runs against one schema under one map.
type Plan struct {
	Map         *erasuremap.Map
	Fingerprint string // of the catalog that it was compiled with

	KeyKind      KeyKind  // of the client's key
	OwnedColumns []string // columns of the client's row that LockClients returns after the key

	FindClients       Statement   // → (key, whether it is an anonymous profile) of the clients given that are the tenant's
	Tenant            Statement   // () → (country, locale); no row: no such tenant. Zero without a tenant table
	LockClients       Statement   // locks clients → (key, owned columns…)
	LockTables        Statement   // keeps the shape of all tables as it is until the transaction ends
	Guards            Statement   // → (key, code of the guard that holds or NULL, latest day kept under each of RetentionRules)
	RetentionRules    []string    // retention rules, one for each day that Guards gives
	Law               Statement   // () → (country, fiscal year's end, time zone, today); no row: no such tenant. Zero when nothing is retained, or without a tenant table
	Erase             []Statement // in order
	EraseRelatedRows  []Statement // Erase without the clients' own rows and what these point to: a merge that leaves its source
	KeysInUse         Statement   // → (key) of the clients given that are there, whoever's they are
	EraseLateRows     []Statement // Erase for rows that may come after their client has gone: no foreign key refuses them
	LiveProfiles      Statement   // → (slot, key)
	NewProfile        Statement   // inserts one anonymous profile → (key)
	CountProfiles     []Statement // → (how many profiles of a lane the clients' rows want that a unique index keeps apart)
	UsesSharedProfile bool        // erasing re-points rows to slot 1, which must exist
	Preview           Statement   // → (key, name, created at, last activity) of given keys

	Merge *Merge // into another client

	Sweeps         []Sweep     // apply the rules of retained columns whose time is over
	Refresh        []Statement // materialized views, at the end of a job
	AffectedTables []string    // quoted names of the tables and views that hold what is erased

	compiled *compiler
}

// KeyKind is the type of the client's key.
type KeyKind string

// The kinds of key.
const (
	IntKey    KeyKind = "int"
	BigintKey KeyKind = "bigint"
	UUIDKey   KeyKind = "uuid"
	TextKey   KeyKind = "text"
)

// Statement is one SQL statement and where its parameters come from.
type Statement struct {
	Name  string // what it does, for readers: "participations: reassign"
	Table string // the table whose rows it changes, as the map writes it
	SQL   string
	Args  []Arg // Args[0] is $1
	// Client says that the statement acts on the clients' own rows and must
	// therefore change exactly one row for each key.
	ClientRows bool
	// None says that the statement looks for rows that must not be there.
	FindsNone bool
}

// Arg is where a parameter's value comes from. All but ArgCutoff, ArgNow,
// ArgFirstKept, ArgLimit and ArgSlot travel as text or text[] and are cast in
// the statement.
type Arg struct {
	Kind ArgKind
	Text string // ArgLiteral: the value; ArgLabel: its name; ArgFirstKept: the retention; ArgOwned: the column; ArgAfter, ArgRows: which part of a row's name
}

// ArgKind is the kind of a parameter.
type ArgKind string

// The kinds of parameter.
const (
	ArgKeys       ArgKind = "keys"       // text[]: the clients' keys
	ArgTenant     ArgKind = "tenant"     // text
	ArgTarget     ArgKind = "target"     // text: key of the client that a merge is into
	ArgProfile    ArgKind = "profile"    // text: key of the tenant's anonymous profile
	ArgProfiles   ArgKind = "profiles"   // text[]: keys of the profiles that this lane owns, by slot
	ArgOwned      ArgKind = "owned"      // text[]: values of an owning column of the clients
	ArgLabel      ArgKind = "label"      // text: in the tenant's language
	ArgLiteral    ArgKind = "literal"    // text: from the map
	ArgOverride   ArgKind = "override"   // text[]: guards that shall not hold
	ArgCutoff     ArgKind = "cutoff"     // timestamptz or NULL: activity since then is a reason to skip
	ArgActivities ArgKind = "activities" // text[]: kinds of activity that count; none: all
	ArgNow        ArgKind = "now"        // timestamptz
	ArgFirstKept  ArgKind = "first kept" // date: the earliest that a retention still keeps, in the tenant's country
	ArgTimeZone   ArgKind = "time zone"  // text: in which it is told on what day something was
	ArgLimit      ArgKind = "limit"      // int: rows that are looked for at once
	ArgAfter      ArgKind = "after"      // text: of the row after which to go on, or NULL
	ArgRows       ArgKind = "rows"       // text[]: of the rows that are meant
	ArgSlot       ArgKind = "slot"       // int: of the profile being made
)

// String names the parameter for readers of a printed plan.
func (a Arg) String() string {
	switch a.Kind {
	case ArgLiteral:
		return fmt.Sprintf("%q", a.Text)
	case ArgLabel, ArgFirstKept, ArgOwned, ArgAfter, ArgRows:
		return string(a.Kind) + " " + oneLine(a.Text)
	}
	return string(a.Kind)
}

// String is the statement with a comment that names its parameters.
func (s Statement) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "-- %s\n", oneLine(s.Name))
	for i, a := range s.Args {
		fmt.Fprintf(&b, "--   $%d = %s\n", i+1, a)
	}
	b.WriteString(s.SQL)
	b.WriteString(";\n")
	return b.String()
}

// Basics is the plan without what erases: keys and tenants.
func (p *Plan) Basics() *Plan {
	return &Plan{Map: p.Map, Fingerprint: p.Fingerprint, KeyKind: p.KeyKind, FindClients: p.FindClients, Tenant: p.Tenant}
}

// SweepStatements lists all that sweeps run.
func (p *Plan) SweepStatements() []Statement {
	var all []Statement
	for _, s := range p.Sweeps {
		all = append(all, s.Statements()...)
	}
	return all
}

// TakesProfile reports whether any of the statements re-points rows to the
// tenant's shared profile.
func UsesSharedProfile(all []Statement) bool {
	return slices.ContainsFunc(all, func(s Statement) bool { return slices.Contains(s.Args, Arg{Kind: ArgProfile}) })
}

// Statements lists all that a chunk runs, in order.
func (p *Plan) Statements() []Statement {
	return slices.Concat([]Statement{p.LockClients, p.Guards}, p.Erase, []Statement{p.LockTables})
}
