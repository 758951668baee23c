// Package booking is the database that oubli is shown and tested on: the schema
// of a product that studios, salons and gyms would book with, the map of what
// personal data it holds, people to fill it with, and the means to prove what
// an erasure did to it.
//
// [Install] creates the tables, [Map] is the map for them, [Seed] writes people
// who exist nowhere: e-mail addresses under names reserved for examples (RFC
// 2606), telephone numbers that regulators set aside for fiction. Everything
// that is written about a client carries the client's [Marker], so that
// [Traces] can say whether a trace of somebody is left anywhere. [Totals] and
// [UntouchedDigest] are taken before and after, and compared.
package booking
