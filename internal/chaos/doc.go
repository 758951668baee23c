// Package chaos shows that nothing is lost and nothing happens twice. It runs
// oubli as several processes between real servers, gives them erasures, brings
// trouble upon them from a seeded schedule, lets everything settle, and then
// looks at the database, at Redis, at the mails, at the logs and at the API
// from outside: see [Run].
//
// The processes are the product itself, built with the tag chaos, which alone
// lets a program be told to die at a failpoint and lets a protection be taken
// away from it. The controls do the latter, and fail when the driver does not
// notice.
package chaos
