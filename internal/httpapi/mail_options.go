package httpapi

import (
	"encoding/json"
	"strings"

	"golang.org/x/text/language"

	"github.com/oubli/oubli/jobs"
)

// mailOptions reads the fields about the mail at the end, which the requests of
// all kinds of jobs share.
type mailOptions struct {
	given bool // the request has notify, possibly an empty array
}

// fields adds notify and locale to the fields of a request.
func (n *mailOptions) fields(all map[string]field, notify *[]string, locale *string) {
	all["notify"] = field{read: func(r *reader) {
		n.given = true
		seen := map[string]bool{}
		r.array(0, jobs.MaxRecipients, func(tok json.Token) {
			s, ok := r.str(tok)
			switch {
			case !ok:
			case !bareAddress(s):
				r.fault("bad_value", "Want an e-mail address of at most 254 bytes, without a display name.")
			case !seen[strings.ToLower(s)]: // one mail per recipient
				seen[strings.ToLower(s)] = true
				*notify = append(*notify, s)
			}
		})
	}}
	all["locale"] = field{read: func(r *reader) {
		s, ok := r.str(r.next())
		if !ok {
			return
		}
		tag, err := language.Und, error(nil)
		if len(s) <= maxLocale {
			tag, err = language.Parse(s)
		}
		if err != nil || tag == language.Und {
			r.fault("bad_value", "Want a language tag (BCP 47) such as fr or de-AT.")
			return
		}
		*locale = tag.String()
	}}
}

// checkCombination refuses a dry run with recipients.
func (n *mailOptions) checkCombination(dryRun bool, notify []string) []Fault {
	if dryRun && len(notify) > 0 {
		return []Fault{{Code: "contradiction", Detail: "A dry run sends no mail: leave notify out.", Pointer: "/notify"}}
	}
	return nil
}

// recipients returns the addresses of the request, or the caller's own if the
// request has no notify and is no dry run.
func (n *mailOptions) recipients(c jobs.Caller, dryRun bool, notify []string) []string {
	if n.given || dryRun {
		return notify
	}
	return []string{c.Email}
}
