package mailer

import (
	"errors"
	"net/url"
	"strconv"
)

// The mistakes that ParseURL names. They are fixed texts, and url.Parse's own
// error is dropped, because a password with an unescaped character can turn up
// in any part of a URL that is read wrongly.
var (
	errURL       = errors.New("want smtp://user:password@host:587?tls=mandatory|opportunistic|none or smtps://user:password@host:465, with special characters in user and password percent-encoded")
	errScheme    = errors.New("want a URL that starts with smtp:// or smtps://")
	errURLExtra  = errors.New("want nothing behind host and port but ?tls=…")
	errTLS       = errors.New("tls: want mandatory, opportunistic or none")
	errTLSForTLS = errors.New("tls: is for smtp://; smtps:// is always TLS")
)

// ParseURL reads the server part of [Options] from a URL:
//
//	smtp://user:password@host:587?tls=mandatory|opportunistic|none
//	smtps://user:password@host:465
//
// The ports shown are the defaults. Without tls, smtp:// means mandatory; only
// for a server on this machine (localhost, 127.0.0.0/8, ::1), whose traffic
// leaves no cable to listen to and whose certificate rarely names localhost, it
// means none. No error repeats any part of the URL.
func ParseURL(raw string) (Options, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Options{}, errURL
	}
	if u.Scheme != "smtp" && u.Scheme != "smtps" {
		return Options{}, errScheme
	}
	if u.Hostname() == "" || u.Opaque != "" {
		return Options{}, errURL
	}
	o := Options{Host: u.Hostname(), ImplicitTLS: u.Scheme == "smtps"}
	if p := u.Port(); p != "" {
		if o.Port, err = strconv.Atoi(p); err != nil || o.Port < 1 || o.Port > 65535 {
			return Options{}, errURL
		}
	}
	if u.User != nil {
		o.User = u.User.Username()
		o.Password, _ = u.User.Password()
	}
	query, err := url.ParseQuery(u.RawQuery)
	_, hasTLS := query["tls"]
	if err != nil || u.Fragment != "" || u.Path != "" && u.Path != "/" || len(query["tls"]) != len(query) {
		return Options{}, errURLExtra
	}
	switch {
	case o.ImplicitTLS && hasTLS:
		return Options{}, errTLSForTLS
	case o.ImplicitTLS:
	case !hasTLS && loopback(o.Host):
		o.TLS = TLSNone
	case !hasTLS:
		o.TLS = TLSMandatory
	default:
		policy, known := map[string]TLSPolicy{"mandatory": TLSMandatory, "opportunistic": TLSOpportunistic, "none": TLSNone}[query.Get("tls")]
		if !known {
			return Options{}, errTLS
		}
		o.TLS = policy
	}
	return o, nil
}
