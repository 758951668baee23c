// Package demo shows the whole program on one machine: it starts a private
// PostgreSQL, Redis and mail inbox, fills a booking database, runs the service
// on it, erases clients, and proves the result from the database.
package demo
