// Package plan holds a map against a live schema and compiles both into the
// statements that an erasure runs. It is pure: the catalog comes in as data,
// SQL text and refusals go out, and nothing here talks to a database.
//
// The statements of one chunk fall in two groups. [Plan.LockClients] and [Plan.Guards]
// decide who is erased; [Plan.Erase] does it, leaves before parents, links
// before identity, the client's own row last. Values travel as parameters
// only, so that neither statistics nor logs of the server ever hold one.
package plan
