package config

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// errURL replaces every error of url.Parse, because those quote the URL with its
// password.
var errURL = errors.New("not a valid URL; special characters in a password must be percent-encoded")

// hostsURL is a URL that may have several hosts. net/url refuses several hosts
// with ports.
type hostsURL struct {
	Scheme   string
	Hosts    []string // host:port
	Username string
	Password string
	Path     string // without slashes around it
	Query    url.Values
}

func parseHosts(raw, defaultPort string) (hostsURL, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	user, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, hosts = authority[:i+1], authority[i+1:]
	}
	// Replace the hosts by one, so that net/url can parse the other parts.
	u, err := url.Parse(scheme + "://" + user + "host" + tail)
	if !ok || err != nil || u.Fragment != "" {
		return hostsURL{}, errURL
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return hostsURL{}, errURL
	}
	h := hostsURL{Scheme: u.Scheme, Username: u.User.Username(), Path: strings.Trim(u.Path, "/"), Query: query}
	h.Password, _ = u.User.Password()
	for host := range strings.SplitSeq(hosts, ",") {
		addr, ok := withPort(host, defaultPort)
		if !ok {
			return hostsURL{}, errURL
		}
		h.Hosts = append(h.Hosts, addr)
	}
	return h, nil
}

// withPort returns host:port for "host", "host:port", "[::1]" and "[::1]:port".
func withPort(host, defaultPort string) (string, bool) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), defaultPort
		if strings.Contains(name, ":") && !strings.HasPrefix(host, "[") {
			return "", false
		}
	}
	if name == "" || !validPort(port) || port == "0" || strings.ContainsAny(name, " []@%\\\"") {
		return "", false
	}
	return net.JoinHostPort(name, port), true
}

// only reports whether the query has no other keys than these, each at most once.
func (h hostsURL) only(keys ...string) bool {
	for key, values := range h.Query {
		known := false
		for _, k := range keys {
			known = known || k == key
		}
		if !known || len(values) != 1 {
			return false
		}
	}
	return true
}
