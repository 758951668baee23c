// Package erasuremap reads the map: the YAML file that says where a client's
// personal data is and what erasing does to it. It checks the file without a
// database; package plan checks it against a live schema.
package erasuremap
