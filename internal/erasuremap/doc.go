// Package erasuremap reads the map: the YAML file that says where a client's
// personal data lives and what erasing does to it. It checks the file by itself;
// package plan checks it against a live schema.
package erasuremap
