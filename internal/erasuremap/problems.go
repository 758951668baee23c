package erasuremap

import "strings"

// Problem is one thing that is wrong with a map, and where.
type Problem struct {
	Pos Pos
	Msg string
}

// Error is the place and the message.
func (p Problem) Error() string { return p.Pos.String() + ": " + p.Msg }

// Problems is everything that is wrong with a map, in the file's order.
type Problems []Problem

// Error is one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}
