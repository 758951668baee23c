package jobs

import (
	"regexp"
	"time"
)

// SelectionRequest asks who has been inactive for a period.
type SelectionRequest struct {
	TenantID   string
	Period     string   // ISO 8601, years to days: P1Y
	Without    []string // kinds of activity to look at; none: all that the map knows
	IncludeNew bool     // also clients created within the period
	CreatedBy  string
}

// Selection is a frozen list of candidates for an erasure. It names no client.
type Selection struct {
	ID        string         `json:"id" format:"uuid"`
	TenantID  string         `json:"tenant_id"`
	Cutoff    time.Time      `json:"cutoff" doc:"No candidate has been active at this moment or since, nor has anything booked"`
	Total     int            `json:"total" doc:"Clients whom an erasure of this selection takes: candidates that no guard holds and that are not excluded. It is the expected_count of POST /v1/erasures"`
	Blocked   map[string]int `json:"blocked" doc:"Candidates that a guard holds, by guard; they are left out unless the erasure overrides it"`
	Excluded  int            `json:"excluded" doc:"Candidates that were unticked"`
	ExpiresAt time.Time      `json:"expires_at"`
	ErasureID string         `json:"erasure_id,omitempty" doc:"The erasure that used it; a selection is used once"`
}

// Candidate is one client of a selection as an administrator sees them.
type Candidate struct {
	ClientID       string     `json:"client_id"`
	Name           *string    `json:"name" doc:"Read now, never stored; null when the client has gone since"`
	CreatedAt      *time.Time `json:"created_at"`
	LastActivityAt *time.Time `json:"last_activity_at"`
	Included       bool       `json:"included" doc:"Would be erased: not excluded, and no guard holds"`
	Blocked        *string    `json:"blocked" doc:"The guard that held when the selection was made"`
}

// Ticks changes which candidates of a selection are included.
type Ticks struct {
	Exclude []string
	Include []string
}

// MaxTicks is how many candidates one request may tick or untick.
const MaxTicks = 10_000

var period = regexp.MustCompile(`^P(\d{1,3}Y)?(\d{1,4}M)?(\d{1,4}W)?(\d{1,5}D)?$`)

// ValidPeriod reports whether p is an ISO 8601 period of years, months, weeks
// and days, such as P1Y or P18M, and not an endless one.
func ValidPeriod(p string) bool { return p != "P" && period.MatchString(p) }
