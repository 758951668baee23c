// Package testdb gives every test a PostgreSQL database of its own, cloned from
// a template in some milliseconds, and a Redis of its own.
//
// The database server is the one that OUBLI_TEST_DATABASE_URL names, a URL of a
// database in which a role with CREATEDB may connect. Without it each test
// process starts a private server at its first New and that server ends with
// the process; `make test` starts one for all packages instead.
//
// [Redis] uses the server that OUBLI_TEST_REDIS_URL names, one database number
// per test and emptied first, or else a private redis-server per test.
// [RedisServer] is always private: for tests that stop it, kill it or send
// FLUSHALL.
package testdb
