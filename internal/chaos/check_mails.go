//go:build unix

package chaos

import (
	"bytes"
	"context"
	"io"
	"mime/quotedprintable"
	"slices"
	"time"

	"github.com/oubli/oubli/jobs"
)

// checkMails checks that each recipient got one mail of each job, after its end. A
// mail may be sent twice only when its acceptance could not be known, and then with
// the same Message-ID (I6).
func (r *round) checkMails(ctx context.Context, ended map[string]time.Time) error {
	got := map[string][]acceptedMail{}
	for _, l := range r.mails.accepted() {
		got[l.to] = append(got[l.to], l)
		r.readMail(l)
	}
	r.figures.Mails += len(r.mails.accepted())
	for _, o := range r.feeder.all() {
		end, ok := ended[o.id]
		if !ok {
			continue // reported already
		}
		for _, to := range o.notify {
			mails := got[to]
			delete(got, to)
			switch {
			case len(mails) == 0 && r.mails.hasRefused(to):
				r.figures.Refused++
				if job, err := r.read(ctx, o); err != nil || job.Mail.State != jobs.MailFailed {
					r.violated("the mail of %s was refused, and the job says %s", o, job.Mail.State)
				}
				continue
			case len(mails) == 0:
				r.violated("%s: no mail to %s", o, to)
				r.figures.Lost++
				continue
			}
			for i, l := range mails {
				if l.at.Before(end) {
					r.violated("%s: a mail came %s before the end", o, end.Sub(l.at))
				}
				if i > 0 {
					r.again(o, mails[i-1], l)
				}
			}
		}
	}
	for to := range got {
		r.violated("a mail to %s, whom nobody named", to)
	}
	return nil
}

// again checks a mail that was sent a second time.
func (r *round) again(o *order, first, second acceptedMail) {
	if first.id != second.id || first.id == "" {
		r.violated("%s: two mails with the Message-IDs %q and %q", o, first.id, second.id)
	}
	if cause := r.doubt(first); cause != "" {
		r.figures.doubted(cause)
		return
	}
	r.figures.Doubled++
	r.violated("%s: the mail to %s came again after %s, without any doubt about the first", o, first.to, second.at.Sub(first.at))
}

// doubt returns why the acceptance of a mail may not have been known or recorded;
// empty when there was no reason.
func (r *round) doubt(l acceptedMail) string {
	if !l.answered {
		return "the server's silence"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.troubled, func(w window) bool { return l.at.After(w.from) && l.at.Before(w.to) })
	if i < 0 {
		return ""
	}
	return r.troubled[i].cause
}

func (r *round) readMail(l acceptedMail) {
	text, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(l.data)))
	if err != nil {
		text = l.data
	}
	for _, b := range [][]byte{l.data, text} {
		if found := marker.Find(b); found != nil {
			r.violated("a mail contains data of a client: %q", found)
		}
	}
}
