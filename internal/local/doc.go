// Package local starts private servers on free loopback ports: PostgreSQL,
// Redis and an SMTP inbox, for the demo and the tests.
//
// Nothing is left behind. Each server process runs in its own directory under
// the system's temporary directory. A small shell script, the watchdog, reads
// from a pipe whose other end only this process has open. The pipe closes when
// the server is closed or when this process ends in any way, even by kill -9.
// Then the watchdog ends the server and removes the directory. Close uses the
// same way, so every test exercises it.
//
// Servers never run as root: started by root, they run as an unprivileged
// account of the system. They listen on 127.0.0.1 only and require a
// random password, because other accounts of the machine can reach loopback too.
//
// The context of a Start function limits the start only. The server runs until
// Close.
package local
