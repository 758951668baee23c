package terminal

import (
	"fmt"
	"io"
	"time"

	"github.com/oubli/oubli/jobs"
)

const (
	rateWindow = 15 * time.Second // the rate is that of the recent past
	plainEvery = 10 * time.Second // between lines where no bar can be drawn
)

// Progress shows how far a job is: a bar where a line can be redrawn, a
// plain line now and then where it cannot.
type Progress struct {
	w     io.Writer
	draws bool
	now   func() time.Time

	bar     *Bar
	samples []sample
	said    time.Time
	state   jobs.State // as last shown
}

type sample struct {
	at   time.Time
	done int
}

// NewProgress shows a job on w; draws says whether w is a terminal, where a line
// can be redrawn.
func NewProgress(w io.Writer, draws bool) *Progress {
	return &Progress{w: w, draws: draws, now: time.Now, bar: NewBar(w)}
}

// See shows the job as it is now.
func (p *Progress) See(j jobs.Job) {
	if j.Requested == 0 {
		return
	}
	now := p.now()
	// The job ends some time after its last client; that time is not part of the rate.
	if n := len(p.samples); n == 0 || !j.State.Final() || p.samples[n-1].done != j.Counts.Done() {
		p.samples = append(p.samples, sample{now, j.Counts.Done()})
	}
	for len(p.samples) > 2 && now.Sub(p.samples[0].at) > rateWindow {
		p.samples = p.samples[1:]
	}
	changed := j.State != p.state
	p.state = j.State
	if p.draws {
		if changed && why(j) != "" {
			p.bar.Keep()
			fmt.Fprintf(p.w, "%s: %s\n", Words(string(j.State)), why(j))
		}
		p.draw(j)
		return
	}
	if changed || now.Sub(p.said) >= plainEvery {
		p.said = now
		reason := why(j)
		if reason != "" {
			reason = " (" + reason + ")"
		}
		fmt.Fprintf(p.w, "%s: %s%s\n", Words(string(j.State)), p.text(j), reason)
	}
}

// draw keeps the line under 80 columns; a longer one could not be redrawn.
func (p *Progress) draw(j jobs.Job) {
	text := p.text(j)
	if j.State != jobs.Running && !j.State.Final() {
		text += ", " + Words(string(j.State))
	}
	p.bar.Draw(int64(j.Counts.Done()), int64(j.Requested), text)
}

// text says how many clients are done and how fast. The rate is of what was
// done while we looked, since the job may have begun long before.
func (p *Progress) text(j jobs.Job) string {
	text := Thousands(int64(j.Counts.Done())) + "/" + Thousands(int64(j.Requested)) + " clients"
	first, last := p.samples[0], p.samples[len(p.samples)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if last.done <= first.done || seconds <= 0 {
		return text
	}
	rate := float64(last.done-first.done) / seconds
	text += ", " + Thousands(int64(rate)) + "/s"
	if j.State == jobs.Running && j.Counts.Pending > 0 {
		left := time.Duration(float64(j.Counts.Pending) / rate * float64(time.Second))
		text += ", " + max(left.Round(time.Second), time.Second).String() + " left"
	}
	return text
}

// why says what a job that does not move waits for.
func why(j jobs.Job) string {
	switch {
	case j.State == jobs.Blocked:
		return Printable(j.BlockedReason)
	case j.WaitingFor != "":
		return Printable(j.WaitingFor)
	case j.State == jobs.Scheduled && j.NotBefore != nil:
		return "not before " + Stamp(*j.NotBefore)
	}
	return ""
}

// End keeps the bar and goes to the next line.
func (p *Progress) End() { p.bar.Keep() }
