// Selecting measures what an administrator waits for before an erasure starts:
// making the selection, reading pages of its preview, unticking, confirming. It
// calls repository.Store on a private PostgreSQL with one large studio, for several
// choices of index, and during bookings.
//
//	go run ./internal/bench/selecting [-clients N] [-json FILE]
package main
