package httpapi

import (
	"encoding/json"
	"strings"

	"golang.org/x/text/language"

	"github.com/oubli/oubli/jobs"
)

// notice is what the requests of all kinds of job say about the mail at the
// end.
type notice struct {
	given bool // notify stands in the request, were it empty
}

// fields adds those that say who is told, and in which language.
func (n *notice) fields(all map[string]field, notify *[]string, locale *string) {
	all["notify"] = field{read: func(r *reader) {
		n.given = true
		seen := map[string]bool{}
		r.array(0, jobs.MaxRecipients, func(tok json.Token) {
			s, ok := r.str(tok)
			switch {
			case !ok:
			case !bareAddress(s):
				r.fault("bad_value", "Want a bare e-mail address of at most 254 bytes.")
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

// together finds a dry run that would tell somebody.
func (n *notice) together(dryRun bool, notify []string) []Fault {
	if dryRun && len(notify) > 0 {
		return []Fault{{Code: "contradiction", Detail: "Nobody is notified of a dry run.", Pointer: "/notify"}}
	}
	return nil
}

// recipients are those named or, when nobody said anything, the caller.
func (n *notice) recipients(c jobs.Caller, dryRun bool, notify []string) []string {
	if n.given || dryRun {
		return notify
	}
	return []string{c.Email}
}
