package httpapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/oubli/oubli/internal/loopback"
	"github.com/oubli/oubli/jobs"
)

// audience says who may use a route. The zero audience is the smallest.
type audience int

const (
	admins  audience = iota
	readers          // admins and viewers
)

func (a audience) has(role jobs.Role) bool {
	return role == jobs.Admin || a == readers && role == jobs.Viewer
}

// call holds what the middlewares have read from a request.
type call struct {
	caller jobs.Caller
	until  time.Time // when the caller's token expires
	key    string    // Idempotency-Key
	body   []byte
}

type callKey struct{}

// callOf returns the call of a request that has passed [admit].
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	if c == nil {
		// A route without admit is a bug: refuse everybody.
		return &call{}
	}
	return c
}

// admit lets a request pass when its token is valid, its role belongs to the
// audience, and its caller is within the limits.
func (a *api) admit(who audience) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		caller, until, p := identify(a.Verifier, r.Header.Values("Authorization"))
		if p != nil {
			p = a.limiters.refuse(r, p)
		} else {
			p = a.limiters.admit(caller)
		}
		if p == nil && !who.has(caller.Role) {
			p = newProblem("forbidden", "The token's role may not do this.")
		}
		if p == nil {
			p = checkQuery(r.URL.RawQuery)
		}
		if p != nil {
			p.write(ctx.Context(), w)
			return
		}
		ctx = huma.WithValue(ctx, hostKey{}, baseOf(r))
		next(huma.WithValue(ctx, callKey{}, &call{caller: caller, until: until}))
	}
}

// checkQuery refuses query strings that different parsers read differently.
// net/url silently drops the pairs that it cannot parse, and a list whose filter
// was dropped would show more than was asked for.
func checkQuery(raw string) *Problem {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return invalid(Fault{Code: "bad_value", Detail: "The query string cannot be read: " +
			"percent-encode the values, and separate parameters by &."})
	}
	for _, values := range query {
		if len(values) > 1 {
			return invalid(Fault{Code: "duplicate_parameter", Detail: "A parameter appears twice in the query string."})
		}
	}
	return nil
}

// baseOf is the URL under which the caller has reached the API. TLS may end at a proxy
// before it, so it is https for every host but this machine.
func baseOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if r.TLS == nil && loopback.Host(strings.Trim(host, "[]")) {
		return "http://" + r.Host
	}
	return "https://" + r.Host
}

func identify(v *Verifier, headers []string) (jobs.Caller, time.Time, *Problem) {
	var none time.Time
	if len(headers) == 0 {
		return jobs.Caller{}, none, newProblem("unauthenticated", "Send a bearer token in the Authorization header.").
			with("WWW-Authenticate", `Bearer realm="oubli"`)
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return jobs.Caller{}, none, newProblem("unauthenticated", "Send one Authorization header, with the Bearer scheme.").
			with("WWW-Authenticate", `Bearer realm="oubli"`)
	}
	caller, until, err := v.verify(strings.TrimSpace(token))
	switch {
	case errors.Is(err, errExpired):
		return jobs.Caller{}, none, newProblem("token_expired", "The bearer token has expired; get a new one.").
			with("WWW-Authenticate", `Bearer realm="oubli", error="invalid_token", error_description="expired"`)
	case err != nil:
		return jobs.Caller{}, none, newProblem("unauthenticated",
			"The bearer token is not valid for this service: check its signature, algorithm, aud, exp, nbf, sub, email, tenant and role.").
			with("WWW-Authenticate", `Bearer realm="oubli", error="invalid_token"`)
	}
	return caller, until, nil
}

// tenantFor returns the tenant that a request is about: the token's, or the one
// that a trusted service names. It returns jobs.AnyTenant when a trusted service
// names none.
func tenantFor(c jobs.Caller, named string) (string, error) {
	switch {
	case c.Tenant == "":
		return "", newProblem("forbidden", "The token names no tenant.")
	case c.Tenant == jobs.AnyTenant && named != "":
		return named, nil
	case named != "" && named != c.Tenant:
		return "", newProblem("tenant_mismatch", "tenant_id is not the token's tenant.")
	}
	return c.Tenant, nil
}

// oneTenantFor is tenantFor for requests that need a tenant.
func oneTenantFor(c jobs.Caller, named string) (string, error) {
	tenant, err := tenantFor(c, named)
	if err == nil && tenant == jobs.AnyTenant {
		return "", tenantNeeded()
	}
	return tenant, err
}

// tenantNeeded returns the problem of a request that needs a tenant and has none.
func tenantNeeded() error {
	return invalid(Fault{Code: "required", Detail: "With a token for all tenants, tenant_id is required.", Pointer: "/tenant_id"})
}

// keyspace returns the name under which a caller's Idempotency-Keys and limits
// are kept. It contains the tenant, because a subject is unique only within it.
func keyspace(c jobs.Caller) string {
	return url.PathEscape(c.Tenant) + "/" + url.PathEscape(c.Subject)
}

// newIdempotencyKey combines the call's key with a hash of its request.
func newIdempotencyKey(c *call, method, path, tenant string) jobs.IdempotencyKey {
	return jobs.IdempotencyKey{
		Key:    c.key,
		Caller: keyspace(c.caller),
		Hash:   requestHash(method, path, tenant, c.body),
	}
}
