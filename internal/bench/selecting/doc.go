// Selecting measures what an administrator waits for before an erasure starts:
// making the selection, reading pages of its preview, unticking, confirming. It
// does so through repository.Store on a private PostgreSQL with one big studio,
// for several choices of index, with bookings coming in meanwhile.
//
//	go run ./internal/bench/selecting [-clients N] [-json FILE]
package main
