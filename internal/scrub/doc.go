// Package scrub removes erased values from the files of a database, where a
// DELETE leaves them: in tables and indexes, in the planner's statistics and in
// the write-ahead log. It is behind oubli scrub.
package scrub
