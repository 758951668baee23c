package terminal

import (
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"
)

// Meter shows how something that is not a job comes on.
type Meter struct {
	w     io.Writer
	draws bool
	what  string
	unit  string
	bar   *progressbar.ProgressBar
}

func NewMeter(w io.Writer, draws bool, what, unit string) *Meter {
	return &Meter{w: w, draws: draws, what: what, unit: unit}
}

// See shows that done of total are done; where no bar can be drawn it is silent.
func (m *Meter) See(done, total int64) {
	if !m.draws {
		return
	}
	if m.bar == nil {
		m.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(m.w),
			progressbar.OptionSetWidth(20),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}),
			progressbar.OptionSetDescription(m.what),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionUseANSICodes(true),
			progressbar.OptionClearOnFinish())
	}
	_ = m.bar.Set64(done)
	if done == total {
		fmt.Fprintf(m.w, "\r\x1b[2K%s: indexes and statistics …", m.what)
	}
}

// End removes the bar.
func (m *Meter) End() {
	if m.bar != nil {
		fmt.Fprint(m.w, "\r\x1b[2K")
		m.bar = nil
	}
}
