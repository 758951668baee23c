// Package cli is the command line: it reads the arguments, asks what has to be
// confirmed, prints what was found or done, and chooses the exit code. What
// needs settings or a running service is done by package app.
package cli
