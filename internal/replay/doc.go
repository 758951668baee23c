// Package replay erases again those whom a restore has brought back. The ledger says
// who was erased; jobs of the usual kind erase them. docs/evidence.md explains what it
// does and in which order.
package replay
