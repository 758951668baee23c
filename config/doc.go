// Package config reads oubli's settings from the environment. [Load] reports
// every mistake at once, one line each, naming the key and what it wants:
//
//	OUBLI_BATCH_CLIENTS: want 1..10000, got 0
//
// An empty value counts as unset. A secret KEY may instead be in a file whose path
// is in KEY_FILE; one newline at its end is removed. No error, log line or JSON
// shows a secret: see [Secret].
package config
