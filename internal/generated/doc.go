// Package generated makes up databases that nobody has thought of: schemas,
// rows, triggers, rules, policies and views, each with a map that means to cover
// them. Every text about a client holds that client's marker, and the package
// knows of every row whose it is and what an erasure may do to it. So it can say
// of any erasure, from the outside, whether it kept its promise.
//
// [Draw] makes a [Spec] from a seed, always the same one. [Spec.Build] turns it
// into SQL and YAML. [Case.Judge] holds the database after an erasure against
// the database before it. [Spec.Smaller] lists specs with one thing less, so that
// a failing case can be reduced to what it takes.
//
// A [Kind] is something that may stand between an erasure and its promise, such
// as a trigger that suppresses a DELETE. A spec has none or a few of them beside
// its ordinary tables.
package generated
