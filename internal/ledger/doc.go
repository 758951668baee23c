// Package ledger keeps the record of erasures outside the database. A restored
// backup brings erased clients back and forgets that they were erased; the ledger
// does not.
//
// The ledger is a sequence of objects in a directory or in a bucket. Each object
// has a number and is created once: a store refuses a second object under the same
// name. Its lines are encrypted with age for recipients who are not on this
// machine, so a worker cannot read what it wrote. Each object names the digest of
// the one before.
//
// docs/evidence.md explains how workers agree on the next number, and what happens
// when one of them dies at any moment.
package ledger
