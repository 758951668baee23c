// Package dictionary says what a column probably contains, by its name. It knows
// names in English, French, German, Spanish, Italian and Dutch. `oubli map init`
// proposes rules by it and `oubli check` asks for rules by it, so that neither
// knows a word that the other does not.
package dictionary
