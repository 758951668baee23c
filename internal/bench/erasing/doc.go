// Erasing measures the same erasure done in several ways: by one hand-written
// transaction, by the loop over clients that an ORM would run, by ON DELETE
// CASCADE, and by oubli from the HTTP request to the mail. All work on copies
// of one seeded database, on one private PostgreSQL that writes every commit to
// disk, with and without the load of a booking product.
//
//	go run ./internal/bench/erasing [-clients N] [-erase N] [-runs N] [-only LIST] [-json FILE] [-svg FILE] [-oubli PROGRAM]
package main
