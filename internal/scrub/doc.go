// Package scrub removes erased values from the files of a database. A DELETE leaves
// them there: in tables and indexes, in the planner's statistics and in the
// write-ahead log. The command oubli scrub uses it.
package scrub
