// Package schema is what oubli reads of somebody else's database: the catalog
// and its fingerprint, what PostgreSQL makes of the map's expressions, samples
// for a first map, publications, load and rights. It writes nothing.
//
// [Compile] holds a map against all of it and makes a [plan.Plan] or its gaps.
package schema
