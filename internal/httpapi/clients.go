package httpapi

import (
	"context"
	"net/http"

	"github.com/oubli/oubli/jobs"
)

// ClientStore reads clients of the application.
type ClientStore interface {
	// Clients returns one page, by key.
	Clients(ctx context.Context, f jobs.ClientSearch) (jobs.List[jobs.Client], error)
	// Client says what is held about one client, and whether it can be erased.
	Client(ctx context.Context, tenant, id string) (jobs.ClientDetail, error)
}

// clients registers the routes of /v1/clients. They are for admins only, because they
// show names.
func (a *api) clients() {
	register(a, operation{
		method: http.MethodGet, path: "/v1/clients", id: "list-clients",
		summary: "Search clients",
		description: "The tenant's clients in the order of their keys, with their current names, which are never stored. " +
			"A client whose key is `search` comes first. " + shortPages + " An index of the names' trigrams makes a search fast: " +
			"`oubli check` says which statement creates it.",
		who: admins, status: http.StatusOK,
		codes: []string{"tenant_mismatch", "bad_cursor", "bad_search", "schema_mismatch"},
	}, a.listClients)
	register(a, operation{
		method: http.MethodGet, path: "/v1/clients/{id}", id: "get-client",
		summary: "Read a client",
		description: "What is held about one client, and whether an erasure would take it at the moment. " +
			"The erasure checks again: until then a guard may begin or cease to hold.",
		who: admins, status: http.StatusOK,
		codes: []string{"tenant_mismatch", "not_found", "schema_mismatch", "needs_operator"},
	}, a.getClient)
}

// TenantQuery names the tenant of a route about one tenant.
type TenantQuery struct {
	TenantID string `query:"tenant_id" maxLength:"64" doc:"Required with a token for all tenants (*). Otherwise the token's"`
}

// queryTenant returns the tenant that a query is about, which may be all of them.
func queryTenant(ctx context.Context, named string) (string, error) {
	tenant, err := tenantFor(callOf(ctx).caller, named)
	if err != nil {
		return "", err
	}
	if !storable(tenant) {
		return "", invalid(Fault{Code: "bad_value", Detail: "Control characters are not allowed.", Parameter: "tenant_id"})
	}
	return tenant, nil
}

// one returns the tenant of a route about one tenant.
func (q TenantQuery) one(ctx context.Context) (string, error) {
	tenant, err := queryTenant(ctx, q.TenantID)
	if err == nil && tenant == jobs.AnyTenant {
		err = invalid(Fault{Code: "required", Detail: "With a token for all tenants, tenant_id is required.", Parameter: "tenant_id"})
	}
	return tenant, err
}

// checkSearch refuses what PostgreSQL could not compare.
func checkSearch(text string) error {
	if !storable(text) {
		return invalid(Fault{Code: "bad_value", Detail: "Control characters are not allowed.", Parameter: "search"})
	}
	return nil
}

type listClientsInput struct {
	TenantQuery
	Search string `query:"search" maxLength:"100" doc:"A key, or words that are all parts of the name. Absent: all clients"`
	Paging
}

type clientList struct {
	Body jobs.List[jobs.Client]
}

func (a *api) listClients(ctx context.Context, in *listClientsInput) (*clientList, error) {
	tenant, err := in.one(ctx)
	if err != nil {
		return nil, err
	}
	pg, err := in.page()
	if err != nil {
		return nil, err
	}
	if err := checkSearch(in.Search); err != nil {
		return nil, err
	}
	l, err := a.Clients.Clients(ctx, jobs.ClientSearch{TenantID: tenant, Text: in.Search, Page: pg})
	if err != nil {
		return nil, err
	}
	if l.Items == nil {
		l.Items = []jobs.Client{}
	}
	for i, c := range l.Items {
		l.Items[i].CreatedAt, l.Items[i].LastActivityAt = utc(c.CreatedAt), utc(c.LastActivityAt)
	}
	return &clientList{Body: l}, nil
}

type getClientInput struct {
	ID string `path:"id" maxLength:"255" doc:"The client's key" example:"4711"`
	TenantQuery
}

type oneClient struct {
	Body jobs.ClientDetail
}

func (a *api) getClient(ctx context.Context, in *getClientInput) (*oneClient, error) {
	tenant, err := in.one(ctx)
	if err != nil {
		return nil, err
	}
	if !storable(in.ID) {
		return nil, kindProblem(jobs.Missing, "", "")
	}
	c, err := a.Clients.Client(ctx, tenant, in.ID)
	if err != nil {
		return nil, err
	}
	if c.Rows == nil {
		c.Rows = map[string]int64{}
	}
	c.CreatedAt, c.LastActivityAt = utc(c.CreatedAt), utc(c.LastActivityAt)
	return &oneClient{Body: c}, nil
}
