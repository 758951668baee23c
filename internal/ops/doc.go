// Package ops is the operations listener: the asynq dashboard under
// /monitoring, Prometheus metrics, health and readiness, and profiles. It
// shows ids and numbers, never a client.
//
// It belongs on loopback. Elsewhere [New] insists on a password; /healthz and
// /readyz alone answer without it, because probes have none, and so say no
// more than names and states.
package ops
