// Package mapinit writes a first map from a schema that nobody has described
// yet. It works on names, types and keys, and on counts that the database has
// made of bounded samples; of the data itself it sees nothing.
//
// What it proposes is a draft to be read. Where a wrong guess would lose
// something or leave somebody's data behind, it writes TODO instead, which the
// map's loader refuses, and says beside it what there is to decide.
package mapinit
