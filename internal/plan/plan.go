package plan

import (
	"slices"

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

// All lists every statement of the plan, for PostgreSQL to parse.
func (p *Plan) All() []Statement {
	if len(p.Erase) == 0 {
		return nil
	}
	all := slices.Concat([]Statement{p.Tenant, p.FindClients}, p.Statements(), p.CountProfiles, []Statement{p.LiveProfiles, p.NewProfile, p.KeysInUse, p.Preview, p.Candidates(nil, false), p.Law}, p.SweepStatements())
	return slices.DeleteFunc(all, func(s Statement) bool { return s.SQL == "" })
}

// Activities lists the kinds of activity that the map knows.
func (p *Plan) Activities() []string {
	names := make([]string, len(p.Map.Activity))
	for i, a := range p.Map.Activity {
		names[i] = a.Name
	}
	return names
}
