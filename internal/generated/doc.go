// Package generated generates random databases: schemas, rows, triggers, rules,
// policies and views, each with a map that should cover them. Every text about a
// client contains that client's marker, and the package knows to whom each row
// belongs and what an erasure may do to it. So it can check any erasure from
// outside.
//
// [Draw] makes a [Spec] from a seed, always the same one. [Spec.Build] turns it
// into SQL and YAML. [Case.Judge] compares the database after an erasure with the
// database before it. [Spec.Smaller] lists specs with one element less, so that a
// failing case can be reduced to the elements that make it fail.
//
// A [Kind] is something that may prevent an erasure, such as a trigger that
// suppresses a DELETE. A spec has none or a few of them besides its ordinary
// tables.
package generated
