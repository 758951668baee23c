// Package erasuremap reads the map: the YAML file that says where a client's
// personal data lives and what erasing does to it. It knows the file's form
// and nothing of any database; package plan holds it against the live schema.
package erasuremap
