// Package ops is the operations listener: the asynq dashboard under /monitoring,
// Prometheus metrics, health and readiness, and profiles. It shows ids and
// numbers, and no data of a client.
//
// It should listen on loopback. On any other address [New] requires a password.
// Only /healthz and /readyz answer without it, because probes have no password;
// they show names and states only.
package ops
