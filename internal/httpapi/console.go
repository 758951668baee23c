package httpapi

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/oubli/oubli/jobs"
)

// ConsoleStore keeps the sessions of the console.
type ConsoleStore interface {
	// OfferConsole stores a session that begins when somebody brings the code.
	OfferConsole(ctx context.Context, r jobs.ConsoleRequest) (id, code string, until time.Time, err error)
	// EndConsole ends a session. A caller who may not end it gets Missing.
	EndConsole(ctx context.Context, by jobs.Caller, id string) error
}

// consoleSessions registers the routes of /v1/console-sessions, if there is a console.
func (a *api) consoleSessions() {
	if a.Console == nil {
		return
	}
	registerBody(a, operation{
		method: http.MethodPost, path: "/v1/console-sessions", id: "create-console-session",
		summary: "Open the console for somebody",
		description: "Returns a URL that signs a browser in to the console, once, within a minute. Redirect the person's browser to it. " +
			"The session has the tenant, the role and the person of the token. " +
			"With a token for all tenants (`*`), the request names the tenant, and may name the person and a lower role. " +
			"It ends after 15 minutes without a request, after eight hours, when the token expires, when the person signs out, " +
			"and by `DELETE /v1/console-sessions/{id}`.",
		who: readers, status: http.StatusCreated, body: smallBody,
		codes:   []string{"tenant_mismatch"},
		example: map[string]any{"locale": "de", "path": "/console/jobs"},
	}, a.createConsoleSession)
	register(a, operation{
		method: http.MethodDelete, path: "/v1/console-sessions/{id}", id: "delete-console-session",
		summary: "End a session of the console",
		description: "Ends a session, or takes a link back that was not used. An admin may end any session of the tenant, a viewer " +
			"their own.",
		who: readers, status: http.StatusNoContent,
		codes: []string{"not_found"},
	}, a.deleteConsoleSession)
}

// consoleRequest is the body of POST /v1/console-sessions.
type consoleRequest struct {
	TenantID string `json:"tenant_id,omitempty" maxLength:"64" doc:"Required with a token for all tenants (*). With any other token it may be left out, and must be the token's tenant"`
	Subject  string `json:"subject,omitempty" maxLength:"255" doc:"With a token for all tenants: who signs in. Default: the token's"`
	Email    string `json:"email,omitempty" maxLength:"254" doc:"With a token for all tenants: the person's address. Default: the token's"`
	Role     string `json:"role,omitempty" enum:"admin,viewer" doc:"Default: the token's. It cannot be a higher one"`
	Locale   string `json:"locale,omitempty" maxLength:"35" doc:"Language of the pages, such as de or fr-CH. Default: the browser's"`
	Path     string `json:"path,omitempty" maxLength:"512" doc:"The page to show first, such as /console/jobs"`
}

// consolePath matches paths of the console: nothing in it leads elsewhere.
var consolePath = regexp.MustCompile(`^/console/([A-Za-z0-9%._~-]+/)*[A-Za-z0-9%._~-]*(\?[A-Za-z0-9%._~=&-]*)?$`)

func (b *consoleRequest) fields() map[string]field {
	return map[string]field{
		"tenant_id": {read: func(r *reader) { r.text(&b.TenantID, jobs.MaxTenantLength, false) }},
		"subject":   {read: func(r *reader) { r.text(&b.Subject, maxClaim, false) }},
		"email": {read: func(r *reader) {
			if r.text(&b.Email, maxAddress, false); b.Email != "" && !bareAddress(b.Email) {
				r.fault("bad_value", "This is not an e-mail address.")
			}
		}},
		"role": {read: func(r *reader) {
			if r.text(&b.Role, maxName, false); b.Role != string(jobs.Admin) && b.Role != string(jobs.Viewer) {
				r.fault("bad_value", "Want admin or viewer.")
			}
		}},
		"locale": {read: func(r *reader) { r.text(&b.Locale, 35, false) }},
		"path": {read: func(r *reader) {
			if r.text(&b.Path, 512, false); b.Path != "" && (!consolePath.MatchString(b.Path) || strings.Contains(b.Path, "..")) {
				r.fault("bad_value", "Want a path of the console, such as /console/jobs.")
			}
		}},
	}
}

type createConsoleOutput struct {
	Body struct {
		ID        string    `json:"id" format:"uuid"`
		URL       string    `json:"url" doc:"Redirect the person's browser to it. It has a code in its fragment, which is good once"`
		ExpiresAt time.Time `json:"expires_at" doc:"Until when the URL can be used"`
	}
}

type hostKey struct{}

func (a *api) createConsoleSession(ctx context.Context, _ *struct{}, b *consoleRequest) (*createConsoleOutput, error) {
	c := callOf(ctx)
	tenant, err := oneTenantFor(c.caller, b.TenantID)
	if err != nil {
		return nil, err
	}
	who := jobs.Caller{Subject: c.caller.Subject, Email: c.caller.Email, Tenant: tenant, Role: c.caller.Role}
	service := c.caller.Tenant == jobs.AnyTenant
	for _, named := range []struct {
		value string
		into  *string
	}{{b.Subject, &who.Subject}, {b.Email, &who.Email}} {
		if named.value != "" && named.value != *named.into && !service {
			return nil, newProblem("forbidden", "Only a token for all tenants may sign somebody else in.")
		}
		if named.value != "" {
			*named.into = named.value
		}
	}
	if b.Role != "" {
		if who.Role == jobs.Viewer && b.Role != string(jobs.Viewer) {
			return nil, newProblem("forbidden", "The role is higher than the token's.")
		}
		who.Role = jobs.Role(b.Role)
	}
	id, code, until, err := a.Console.OfferConsole(ctx, jobs.ConsoleRequest{Caller: who, Locale: b.Locale, Path: b.Path, Until: c.until})
	if err != nil {
		return nil, err
	}
	base, _ := ctx.Value(hostKey{}).(string)
	if a.ConsoleURL != "" {
		base = a.ConsoleURL
	}
	out := &createConsoleOutput{}
	out.Body.ID, out.Body.URL, out.Body.ExpiresAt = id, base+"/console/sign-in#"+code, until.UTC()
	return out, nil
}

// ConsolePath is the path of one session.
type ConsolePath struct {
	ID string `path:"id" doc:"The session's id, a UUID" example:"0199b4a2-7c1e-7d53-9a1f-0c3a52b4d1a7"`
}

func (a *api) deleteConsoleSession(ctx context.Context, in *ConsolePath) (*struct{}, error) {
	id, err := jobID(in.ID)
	if err != nil {
		return nil, err
	}
	if _, err := tenantFor(callOf(ctx).caller, ""); err != nil {
		return nil, err
	}
	return nil, a.Console.EndConsole(ctx, callOf(ctx).caller, id)
}
