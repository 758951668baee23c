package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/jobs"
)

// Plan is everything that erasing runs against one schema under one map.
type Plan struct {
	Map         *erasuremap.Map
	Fingerprint string // of the catalog that it was compiled with

	KeyKind      KeyKind  // of the client's key
	OwnedColumns []string // columns of the client's row that LockClients returns after the key

	// Tenant → (country, locale); no row: no such tenant. Empty without a tenant
	// table.
	Tenant Statement
	// Law → (country, end of the fiscal year, time zone, today); no row: no such
	// tenant. Empty unless NeedsLaw, and without a tenant table.
	Law Statement
	// NeedsLaw says that something is retained, or that dates or timestamps without
	// time zone decide whether a client is active.
	NeedsLaw bool

	FindClients Statement // → (key, whether it is an anonymous profile) of those given that are the tenant's clients
	// SpellKeys → (given key, the client's spelling of it); empty unless the key's type
	// takes different texts for equal.
	SpellKeys Statement
	Created   Statement // → (key, when the client was created, as text) of given clients; "-" if nothing says
	// RaiseKeys draws numbers from the sequence of the client's key until it has passed
	// $1, unless they are too many → (sequence, its last number); no row: it has none.
	RaiseKeys Statement
	Preview   Statement // → (key, name, created at, last activity) of given clients
	Search    Search    // finds clients by their names
	Holdings  Statement // → (table, rows) of given clients
	// OrderByActivity and OrderByCreation → (key, at) of all the tenant's clients.
	OrderByActivity, OrderByCreation Statement

	KeysInUse Statement // → those of the given keys that some client has, of whatever tenant

	LockClients Statement // locks clients → (key, owned columns…)
	// LockParents lock the rows through which others are reached.
	LockParents []Statement
	// Guards → (key, code of the guard that holds or NULL, latest day that is
	// retained under each of RetentionRules).
	Guards         Statement
	RetentionRules []string
	LockTables     Statement // keeps all tables' columns, triggers and foreign keys as they are until the transaction ends

	Erase             []Statement // in order
	EraseRelatedRows  []Statement // Erase without the clients' own rows and the rows that these point to, for a merge that keeps its source
	UsesSharedProfile bool        // Erase reassigns rows to slot 1, which must exist

	// Proof of Erase, and of EraseRelatedRows, which leaves the clients' own rows.
	Proof            Proof
	ProofRelatedRows Proof

	// KeepsValues says that what erased clients had in columns to which references
	// refer is in oubli.former_values until the looks after the job are over.
	KeepsValues bool

	LateRows LateRows // rows that may be written after their client is gone: no foreign key refuses them

	LiveProfiles  Statement // → (slot, key) of those that still are as they were made
	NewProfile    Statement // inserts one anonymous profile → (key, what client.anonymous wrote as jsonb)
	AdoptProfiles Statement // records what profiles hold that an earlier version made
	// RemoveProfiles deletes those of some profiles to which no row refers → (key);
	// empty where clients' rows are not deleted.
	RemoveProfiles Statement
	LargestGroups  []Statement // → (how many rows at most a unique index keeps apart)
	// CountJobProfiles are CountProfiles for all clients that a job has left.
	CountJobProfiles []Statement
	CountProfiles    []Statement // → (how many profiles of a lane are needed so that the clients' rows do not collide)

	Merge *Merge // into another client

	Sweeps         []Sweep      // apply the rules of retained columns when their period has ended
	Refresh        []Statement  // refresh materialized views, at the end of a job
	AffectedTables []string     // quoted names of the tables and materialized views from which data is erased
	Mixed          []MixedTable // in which erasing leaves rows

	model *model
	reads []expressionRead
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

// Basics is the plan without the statements that erase: keys and tenants.
func (p *Plan) Basics() *Plan {
	return &Plan{
		Map: p.Map, Fingerprint: p.Fingerprint, KeyKind: p.KeyKind,
		FindClients: p.FindClients, SpellKeys: p.SpellKeys, Tenant: p.Tenant,
	}
}

// SweepStatements lists all that sweeps run.
func (p *Plan) SweepStatements() []Statement {
	var all []Statement
	for _, s := range p.Sweeps {
		all = append(all, s.Statements()...)
	}
	return all
}

// UsesSharedProfile reports whether any of the statements reassigns rows to the
// tenant's shared profile.
func UsesSharedProfile(all []Statement) bool {
	return slices.ContainsFunc(all, func(s Statement) bool { return slices.Contains(s.Args, Arg{Kind: ArgProfile}) })
}

// Statements lists all that a chunk runs, in order.
func (p *Plan) Statements() []Statement {
	return slices.Concat([]Statement{p.LockClients}, p.LockParents, []Statement{p.Guards}, p.Proof.before(), p.Erase,
		[]Statement{p.LockTables}, p.Proof.after())
}

// All lists every statement of the plan, for PostgreSQL to parse.
func (p *Plan) All() []Statement {
	if len(p.Erase) == 0 {
		return nil
	}
	all := slices.Concat([]Statement{p.Tenant, p.FindClients, p.SpellKeys}, p.Statements(), p.LateRows.All(),
		p.CountProfiles, p.CountJobProfiles, p.LargestGroups,
		[]Statement{p.LiveProfiles, p.AdoptProfiles, p.RemoveProfiles, p.NewProfile},
		[]Statement{p.KeysInUse, p.Created, p.Preview, p.Candidates(nil, false), p.Law},
		[]Statement{p.Search.Scan, p.Search.ScanAfter, p.Search.Indexed, p.Search.IndexedAfter, p.Search.Among},
		[]Statement{p.Holdings, p.OrderByActivity, p.OrderByCreation}, p.SweepStatements())
	return slices.DeleteFunc(all, func(s Statement) bool { return s.SQL == "" })
}

// IsGuard reports whether a code of Guards is a guard of the map or an activity, and
// not what oubli itself cannot erase.
func (p *Plan) IsGuard(code string) bool {
	return code != jobs.CodeAnonymousProfile && code != jobs.CodeKeyReused
}

// Activities lists the kinds of activity that the map knows.
func (p *Plan) Activities() []string {
	names := make([]string, len(p.Map.Activity))
	for i, a := range p.Map.Activity {
		names[i] = a.Name
	}
	return names
}

// GuardNames lists the guards that the map knows.
func (p *Plan) GuardNames() []string {
	names := make([]string, len(p.Map.Guards))
	for i, g := range p.Map.Guards {
		names[i] = g.Name
	}
	return names
}
