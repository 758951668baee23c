package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/schema"
)

// The roles of the demo's service, named as oubli grants names them.
const demoAPIRole, demoWorkerRole = "oubli_api", "oubli_worker"

// leastPrivileged makes the database roles that oubli grants is for, gives them
// what it prints, and returns the database's URL for the workers' role: what
// the demo shows is done with the rights that a customer would give.
func (d *demo) leastPrivileged(ctx context.Context) (string, error) {
	m, err := erasuremap.Parse("oubli.yaml", booking.Map())
	if err != nil {
		return "", err
	}
	p, gaps, _, err := schema.Check(ctx, d.url, m)
	if err != nil {
		return "", err
	}
	if len(gaps) > 0 {
		return "", gaps
	}
	password := rand.Text() // of letters and digits only
	for _, role := range []string{demoAPIRole, demoWorkerRole} {
		if _, err := d.db.Exec(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", role, password)); err != nil {
			return "", err
		}
	}
	if _, err := d.db.Exec(ctx, p.GrantScript(demoAPIRole, demoWorkerRole)); err != nil {
		return "", err
	}
	u, err := url.Parse(d.url)
	if err != nil {
		return "", err
	}
	u.User = url.UserPassword(demoWorkerRole, password)
	return u.String(), nil
}
