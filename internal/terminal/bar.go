package terminal

import (
	"fmt"
	"io"
	"strings"
)

// barWidth is how many columns a bar has, without the text beside it.
const barWidth = 20

// Bar draws a progress bar on one line of a terminal, again and again. Text
// longer than the line would leave parts of itself behind: keep the whole under
// 80 columns.
type Bar struct {
	w     io.Writer
	drawn string
}

// NewBar returns a bar that is drawn to w, which must be a terminal.
func NewBar(w io.Writer) *Bar { return &Bar{w: w} }

// Draw shows that done of total are done, with a text behind the bar.
func (b *Bar) Draw(done, total int64, text string) {
	part := 1.0
	if total > 0 {
		part = min(max(float64(done)/float64(total), 0), 1)
	}
	full := int(part * barWidth)
	line := fmt.Sprintf("%3d%% %s%s  %s", int(part*100), strings.Repeat("█", full), strings.Repeat("░", barWidth-full), text)
	if line == b.drawn {
		return
	}
	b.drawn = line
	fmt.Fprintf(b.w, "\r%s\x1b[0K", line) // and clear what is left of a longer line
}

// Keep leaves the bar where it is and goes on below it.
func (b *Bar) Keep() {
	if b.drawn != "" {
		fmt.Fprintln(b.w)
		b.drawn = ""
	}
}

// Clear removes the bar.
func (b *Bar) Clear() {
	if b.drawn != "" {
		fmt.Fprint(b.w, "\r\x1b[2K")
		b.drawn = ""
	}
}
