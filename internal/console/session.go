package console

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oubli/oubli/internal/loopback"
	"github.com/oubli/oubli/jobs"
)

// visit is one request of somebody who is signed in.
type visit struct {
	jobs.ConsoleSession
	lang *catalogue
	zone *time.Location
}

func (v *visit) admin() bool { return v.Role == jobs.Admin }

// screen answers a request. Its error becomes a page.
type screen func(w http.ResponseWriter, r *http.Request, v *visit) error

// signed lets a request pass whose session may use a screen.
func (c *console) signed(role jobs.Role, next screen) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{lang: match("", r.Header.Get("Accept-Language")), zone: time.UTC}
		if err := c.Refuse(); err != nil {
			c.fail(w, r, v, err)
			return
		}
		cookie, err := r.Cookie(cookieName(r))
		if err == nil {
			v.ConsoleSession, err = c.Sessions.ConsoleSession(r.Context(), cookie.Value)
		}
		switch kind := jobs.KindOf(err); {
		case err != nil && kind != jobs.Unauthenticated && kind != jobs.Internal:
			c.fail(w, r, v, err)
			return
		case err != nil: // no cookie, or one that is not good any more
			c.render(w, r, v, http.StatusUnauthorized, "signedout", map[string]any{"Next": r.URL.Path})
			return
		}
		v.lang = match(v.Locale, r.Header.Get("Accept-Language"))
		if zone, err := time.LoadLocation(c.Kept.TimeZone(r.Context(), v.Tenant)); err == nil {
			v.zone = zone
		}
		if role == jobs.Admin && !v.admin() {
			c.fail(w, r, v, &jobs.Error{Kind: jobs.Forbidden, Code: "forbidden"})
			return
		}
		if err := next(w, r, v); err != nil {
			c.fail(w, r, v, err)
		}
	}
}

// plain reports whether the browser talks to this machine without TLS, where a cookie
// cannot be Secure.
func plain(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return r.TLS == nil && loopback.Host(strings.Trim(host, "[]"))
}

// cookieName has the prefix with which browsers keep other hosts from setting it.
func cookieName(r *http.Request) string {
	if plain(r) {
		return "oubli"
	}
	return "__Host-oubli"
}

func setCookie(w http.ResponseWriter, r *http.Request, value string, ends time.Time) {
	k := &http.Cookie{Name: cookieName(r), Value: value, Path: "/", Expires: ends, HttpOnly: true, Secure: !plain(r),
		SameSite: http.SameSiteLaxMode}
	if value == "" {
		k.MaxAge = -1
	}
	http.SetCookie(w, k)
}

// signInPage has the script that brings the code of the link, which no server sees
// because it is in the fragment.
func (c *console) signInPage(w http.ResponseWriter, r *http.Request) {
	v := &visit{lang: match("", r.Header.Get("Accept-Language")), zone: time.UTC}
	c.render(w, r, v, http.StatusOK, "signin", nil)
}

// signIn begins a session with a code.
func (c *console) signIn(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Code string `json:"code"`
	}
	status, path := http.StatusOK, "/console/"
	if c.Refuse() != nil {
		status = http.StatusServiceUnavailable
	} else if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		status = http.StatusBadRequest
	} else if session, cookie, err := c.Sessions.OpenConsole(r.Context(), body.Code); err != nil {
		status = http.StatusUnauthorized
		if jobs.KindOf(err) == jobs.Unavailable {
			status = http.StatusServiceUnavailable
		}
	} else {
		setCookie(w, r, cookie, session.Ends)
		if session.Path != "" {
			path = session.Path
		}
	}
	writeJSON(w, status, map[string]string{"path": path})
}

func (c *console) signOut(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(cookieName(r)); err == nil {
		if err := c.Sessions.CloseConsole(r.Context(), cookie.Value); err != nil {
			c.Log.Warn().Err(err).Msg("cannot end a session of the console; it ends by itself")
		}
	}
	setCookie(w, r, "", time.Unix(1, 0))
	v := &visit{lang: match("", r.Header.Get("Accept-Language")), zone: time.UTC}
	c.render(w, r, v, http.StatusOK, "signedout", map[string]any{"Out": true})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only if the browser has gone
}

// see sends the browser to another page of the console.
func see(w http.ResponseWriter, r *http.Request, path ...string) error {
	for i, part := range path {
		path[i] = url.PathEscape(part)
	}
	http.Redirect(w, r, "/console/"+strings.Join(path, "/"), http.StatusSeeOther)
	return nil
}
