// Package app builds, starts and stops the service and what single commands
// need of it. It is the only package that reads the configuration, and the only
// one that knows the HTTP API, the workers, the mailer and the database at once.
package app
