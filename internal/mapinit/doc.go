// Package mapinit proposes a first map for a schema. It uses names, types and keys,
// and counts that the database computed from bounded samples. It does not receive the
// data itself.
//
// The proposal is a draft for a person to read. Where a wrong guess could delete
// too much or leave personal data behind, it writes TODO, which the map's loader
// refuses, and a comment that says what to decide.
package mapinit
