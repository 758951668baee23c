// Package booking is the database of the demo and the tests: the schema of a
// booking product for studios, salons and gyms, the map of its personal data,
// generated clients, and functions that check what an erasure did.
//
// [Install] creates the tables, [Map] is the map for them, [Seed] writes invented
// people: their e-mail addresses are under names reserved for examples (RFC
// 2606), their telephone numbers are ones that regulators set aside for fiction.
// Every text about a client contains the client's [Marker], so that [Traces] can
// find what is left of a client anywhere. Call [Totals] and [UntouchedDigest]
// before and after an erasure and compare.
package booking
