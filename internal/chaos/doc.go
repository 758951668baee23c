// Package chaos shows that nothing is lost and nothing happens twice. It runs
// oubli as several processes with real servers, requests erasures, injects faults
// by a seeded schedule, waits until all work is done, and then checks the
// database, Redis, the mails, the logs and the API from outside: see [Run].
//
// The processes are the product itself, built with the tag chaos. Only with this
// tag can a program be told to die at a failpoint or to run without one of its
// protections. The control tests switch protections off, and fail when the driver
// does not notice.
package chaos
