// Package schema reads the application's database: the catalog and its
// fingerprint, samples for a first map, publications, load and rights. It lets
// PostgreSQL check the map's expressions. It writes nothing.
//
// [Compile] makes a [plan.Plan] from a map and a database, or lists the gaps.
package schema
