package plan

import (
	"fmt"
	"strings"
	"unicode"
)

// Statement is one SQL statement and where its parameters come from.
type Statement struct {
	Name  string // what it does, for readers: "participations: reassign"
	Table string // the table whose rows it changes, as the map writes it
	SQL   string
	Args  []Arg // Args[0] is $1
	// ClientRows says that the statement changes the clients' own rows and must
	// therefore change exactly one row for each key.
	ClientRows bool
	// FindsNone says that the statement looks for rows that must not exist. It
	// returns the column in question, if it is one.
	FindsNone bool
	Index     string // of a statement that counts profiles: the unique index that needs them
	Place     Place  // what to name when such a row exists
	// Control says that the statement writes control tables only, so that its rows
	// do not count as changed.
	Control bool
}

// Arg is where a parameter's value comes from. All but ArgCutoff, ArgListed,
// ArgNow, ArgFirstKept, ArgLimit and ArgSlot travel as text or text[] and are cast in
// the statement.
type Arg struct {
	Kind ArgKind
	// Text depends on the kind. ArgLiteral: the value; ArgLabel: its name;
	// ArgFirstKept: the retention rule; ArgOwned: the column; ArgAfter and ArgRows:
	// which of the columns that identify a row, counted from 0; ArgCaptured: the
	// capture and its column, each counted from 0, with a slash between them.
	Text string
}

// ArgKind is the kind of a parameter.
type ArgKind string

// The kinds of parameter.
const (
	ArgKeys       ArgKind = "keys"       // text[]: the clients' keys
	ArgJob        ArgKind = "job"        // text: the job's id
	ArgTenant     ArgKind = "tenant"     // text
	ArgTarget     ArgKind = "target"     // text: key of the target of a merge
	ArgProfile    ArgKind = "profile"    // text: key of the tenant's anonymous profile
	ArgProfiles   ArgKind = "profiles"   // text[]: keys of the profiles that this lane owns, by slot
	ArgOwned      ArgKind = "owned"      // text[]: values of an owning column of the clients
	ArgLabel      ArgKind = "label"      // text: in the tenant's language
	ArgLiteral    ArgKind = "literal"    // text: from the map
	ArgOverride   ArgKind = "override"   // text[]: guards that are overridden
	ArgCutoff     ArgKind = "cutoff"     // timestamptz or NULL: activity since then is a reason to skip
	ArgActivities ArgKind = "activities" // text[]: kinds of activity that count; none: all
	ArgListed     ArgKind = "listed"     // timestamptz: when the job's list of clients was made
	ArgNow        ArgKind = "now"        // timestamptz instead of the database's clock; NULL, but for a demo and for tests
	ArgFirstKept  ArgKind = "first kept" // date: the earliest day that a retention rule still keeps in the tenant's country
	ArgTimeZone   ArgKind = "time zone"  // text: the tenant's
	// ArgActivityZone is text: the tenant's time zone or, if nobody says which, the
	// one in which a day ends last, so that more activity counts.
	ArgActivityZone ArgKind = "activity time zone"
	ArgLimit        ArgKind = "limit"     // int: how many rows to find at once
	ArgAfter        ArgKind = "after"     // text: identifies the row after which to go on, or NULL
	ArgRows         ArgKind = "rows"      // text[]: identifies rows
	ArgSlot         ArgKind = "slot"      // int: of the profile being made
	ArgCaptured     ArgKind = "captured"  // text[]: one column of the rows that a chunk remembers
	ArgPatterns     ArgKind = "patterns"  // text[]: patterns of LIKE, each of which a name must match
	ArgPattern      ArgKind = "pattern"   // text: the longest of them
	ArgAfterKey     ArgKind = "after key" // text: the client after whom to go on
)

// String names the parameter for readers of a printed plan.
func (a Arg) String() string {
	switch a.Kind {
	case ArgLiteral:
		return fmt.Sprintf("%q", a.Text)
	case ArgLabel, ArgFirstKept, ArgOwned, ArgAfter, ArgRows, ArgCaptured:
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

// oneLine replaces control characters and line breaks, so that a name from the
// catalog cannot end the comment in which it is printed.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}
