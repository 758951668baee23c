package console

import (
	"net/http"

	"github.com/oubli/oubli/jobs"
)

// home shows where to go, and what is open.
func (c *console) home(w http.ResponseWriter, r *http.Request, v *visit) error {
	l, err := c.Jobs.Jobs(r.Context(), jobs.Filter{TenantID: v.Tenant, Kind: jobs.Erasure, Page: jobs.Page{Limit: 5}})
	if err != nil {
		return err
	}
	c.render(w, r, v, http.StatusOK, "home", map[string]any{"Jobs": l.Items})
	return nil
}
