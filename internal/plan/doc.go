// Package plan holds a map against a live schema and compiles both into the
// statements that an erasure runs. It is pure: the catalog comes in as data,
// SQL text and refusals go out, and nothing here talks to a database.
//
// [Compile] takes three steps over one model, each in files of its name:
//
//   - resolve_*.go finds the map's names in the catalog and builds the model:
//     entries with their columns, parents, rules and the ways that lead to
//     their rows. Names that do not exist are gaps.
//   - check_*.go reads the model and gives gaps, because of which nothing is
//     erased, and warnings.
//   - emit_*.go reads a model without gaps and writes the statements.
//
// model_*.go is the model itself. Nothing writes it after resolve. What a check
// or a statement needs to know of all mapped rows is there: [model.pathsTo] are
// the ways that lead to the rows of a table, [model.writes] the columns that
// erasing writes in rows that stay, each with the entry whose rows they are,
// and [text.belongs] is the condition by which a statement finds these rows.
//
// The statements of one chunk fall in two groups. [Plan.LockClients] and
// [Plan.Guards] decide who is erased; [Plan.Erase] does it, leaves before
// parents, links before identity, the client's own row last. Values travel as
// parameters only, so that neither statistics nor logs of the server ever hold
// one.
package plan
