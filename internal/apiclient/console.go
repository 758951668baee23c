package apiclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// ConsoleSession asks for a link into the console. Zero fields are the token's.
type ConsoleSession struct {
	TenantID string `json:"tenant_id,omitempty"` // with a token for all tenants
	Subject  string `json:"subject,omitempty"`
	Email    string `json:"email,omitempty"`
	Role     string `json:"role,omitempty"`
	Locale   string `json:"locale,omitempty"`
	Path     string `json:"path,omitempty"`
}

// ConsoleLink is a link that signs a browser in, once.
type ConsoleLink struct {
	ID        string    `json:"id"`
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// OpenConsole returns a link into the console.
func (c *Client) OpenConsole(ctx context.Context, s ConsoleSession) (ConsoleLink, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return ConsoleLink{}, fmt.Errorf("write the request: %w", err)
	}
	var l ConsoleLink
	err = c.do(ctx, request{method: http.MethodPost, path: "/v1/console-sessions", body: body}, &l)
	if err == nil && l.URL == "" {
		err = c.errNotOubli()
	}
	return l, err
}
