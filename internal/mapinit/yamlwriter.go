package mapinit

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// yamlWriter collects lines of YAML. It aligns the comments of consecutive lines.
type yamlWriter struct{ lines []line }

type line struct {
	text, comment string
	own           bool // the line is only a comment, or blank
}

const (
	pageWidth     = 80
	commentColumn = 44 // lines longer than this do not move the comments of their neighbours
)

// put adds a line with a comment at its end.
func (s *yamlWriter) put(indent int, text, beside string) {
	s.lines = append(s.lines, line{text: strings.Repeat("  ", indent) + text, comment: comment(beside)})
}

func (s *yamlWriter) putf(indent int, format string, a ...any) {
	s.put(indent, fmt.Sprintf(format, a...), "")
}

// say adds comment lines, wrapped to pageWidth.
func (s *yamlWriter) say(indent int, format string, a ...any) {
	lead := strings.Repeat("  ", indent) + "#"
	text := lead
	for _, w := range strings.Fields(comment(fmt.Sprintf(format, a...))) {
		if len(text) > len(lead) && utf8.RuneCountInString(text)+1+utf8.RuneCountInString(w) > pageWidth {
			s.lines = append(s.lines, line{text: text, own: true})
			text = lead
		}
		text += " " + w
	}
	s.lines = append(s.lines, line{text: text, own: true})
}

// quote adds a comment line without wrapping, for examples.
func (s *yamlWriter) quote(indent int, text string) {
	s.lines = append(s.lines, line{text: strings.Repeat("  ", indent) + "#   " + comment(text), own: true})
}

// blank adds a blank line unless the last line is blank.
func (s *yamlWriter) blank() {
	if n := len(s.lines); n > 0 && s.lines[n-1] != (line{own: true}) {
		s.lines = append(s.lines, line{own: true})
	}
}

// append adds the lines of another.
func (s *yamlWriter) append(o *yamlWriter) { s.lines = append(s.lines, o.lines...) }

// trim removes blank lines from the end.
func (s *yamlWriter) trim() {
	for len(s.lines) > 0 && s.lines[len(s.lines)-1] == (line{own: true}) {
		s.lines = s.lines[:len(s.lines)-1]
	}
}

// String returns the YAML text.
func (s *yamlWriter) String() string {
	var b strings.Builder
	for i := 0; i < len(s.lines); {
		end, column := i, 0
		for end < len(s.lines) && !s.lines[end].own {
			if w := utf8.RuneCountInString(s.lines[end].text); s.lines[end].comment != "" && w <= commentColumn {
				column = max(column, w)
			}
			end++
		}
		for ; i < end; i++ {
			l := s.lines[i]
			if l.comment != "" {
				pad := max(column-utf8.RuneCountInString(l.text), 0)
				l.text += strings.Repeat(" ", pad+2) + "# " + l.comment
			}
			b.WriteString(l.text + "\n")
		}
		if i < len(s.lines) {
			b.WriteString(s.lines[i].text + "\n")
			i++
		}
	}
	return b.String()
}

// todos counts the lines whose value is TODO.
func (s *yamlWriter) todos() int {
	n := 0
	for _, l := range s.lines {
		open := strings.HasSuffix(l.text, ": "+todo) || strings.Contains(l.text, ": "+todo+"}") ||
			strings.Contains(l.text, ": "+todo+",")
		if !l.own && open {
			n++
		}
	}
	return n
}
