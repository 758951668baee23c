// Package pgsession opens the connections to the application's database. A role or
// a database may have settings that change what a statement means, or that keep it
// from running. This package sets them on each new connection, and refuses a server
// on which they cannot be set, with an error that names the setting.
package pgsession
