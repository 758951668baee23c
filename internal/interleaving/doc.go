// Package interleaving runs a program's statements on a real PostgreSQL one at a
// time and lets transactions of an application happen between them.
//
// In READ COMMITTED each statement has a snapshot of its own, so whatever another
// session commits between two statements of one transaction is seen by the second.
// A program that sends its statements in one pipelined batch leaves no gap that a
// test could use. So a [Proxy] stands between the program and the server: it
// forwards one statement, waits until the server has run it, and stops. At a stop
// a [Run] executes or commits transactions of the application, on sessions of
// their own, as its schedule says. The program itself is not changed and notices
// nothing.
//
// There are stops before each statement, and, for a SELECT, one more when it has
// its snapshot and has read nothing. A transaction may also execute at one stop
// and commit at a later one; if the program waits for it meanwhile, it commits
// then. If it waits for the program, it goes on when the program commits.
//
// [Statements] makes up the application's transactions from a map and the rows of
// a database. [Database] brings a database back to what it was, and reads its
// content in a form in which two runs can be compared.
package interleaving
