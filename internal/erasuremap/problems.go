package erasuremap

import "strings"

// Problem is one mistake in a map, with its place.
type Problem struct {
	Pos Pos
	Msg string
}

// Error returns the place and the message.
func (p Problem) Error() string { return p.Pos.String() + ": " + p.Msg }

// Problems are all mistakes in a map, in the file's order.
type Problems []Problem

// Error returns one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}
