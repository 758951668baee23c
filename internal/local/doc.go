// Package local starts private servers on free loopback ports: PostgreSQL,
// Redis and an SMTP inbox. The demo and the tests live on them.
//
// Nothing is left behind. Each server of another program runs in a directory
// of its own under the system's temporary directory, with a small shell (the
// watchdog) beside it that reads from a pipe which only this process holds. When
// the pipe ends, because the server was closed or because this process died in
// whatever way, kill -9 included, the watchdog ends the server and removes the
// directory. Every orderly end goes the same way, so it is always exercised.
//
// Servers never run as root: started by root, they run as an unprivileged
// account of the system. They listen on 127.0.0.1 only and want a random
// password, since other accounts of the machine can reach loopback too.
//
// The context given to a Start function bounds the start, not the server's
// life: that ends with Close.
package local
