package jobs

import (
	"regexp"
	"time"
)

// SelectionRequest asks for the clients who have been inactive for a period.
type SelectionRequest struct {
	TenantID   string
	Period     string   // ISO 8601, years to days: P1Y
	Without    []string // kinds of activity that count; none: all kinds of the map
	IncludeNew bool     // also select clients who were created within the period
	CreatedBy  string
}

// Selection is a stored list of candidates for an erasure. The list does not
// change when clients become active later. This type names no client.
type Selection struct {
	ID        string         `json:"id" format:"uuid"`
	TenantID  string         `json:"tenant_id"`
	Cutoff    time.Time      `json:"cutoff" doc:"No candidate has been active at this time or later, and none has a future appointment"`
	Total     int            `json:"total" doc:"Number of clients that an erasure of this selection would process: candidates that no guard protects and that are not excluded. Send it as expected_count of POST /v1/erasures"`
	Blocked   map[string]int `json:"blocked" doc:"Number of candidates that a guard protects, by guard. They are not erased unless the erasure overrides the guard"`
	Excluded  int            `json:"excluded" doc:"Number of candidates that were excluded"`
	ExpiresAt time.Time      `json:"expires_at"`
	ErasureID string         `json:"erasure_id,omitempty" doc:"The erasure that used the selection; a selection can be used once"`
	CreatedAt time.Time      `json:"created_at"`
	CreatedBy string         `json:"created_by"`

	StillBlocked map[string]string `json:"still_blocked,omitempty" doc:"Only in the answer to PATCH: clients of include that a guard protects, each with its guard. They are not excluded any more, and are not erased all the same unless the erasure overrides the guard"`
}

// Candidate is one client of a selection, as an administrator sees it.
type Candidate struct {
	ClientID       string     `json:"client_id"`
	Name           *string    `json:"name" doc:"Current name, never stored; null if the client no longer exists"`
	CreatedAt      *time.Time `json:"created_at"`
	LastActivityAt *time.Time `json:"last_activity_at"`
	Included       bool       `json:"included" doc:"Whether the client would be erased: it is not excluded and no guard protects it"`
	Blocked        *string    `json:"blocked" doc:"The guard that protected the client when the selection was made"`
}

// Ticks are the candidates of a selection to exclude, and to include again.
type Ticks struct {
	Exclude []string
	Include []string
}

// MaxTicks is how many candidates one request may exclude, and how many it may
// include.
const MaxTicks = 10_000

var period = regexp.MustCompile(`^P(\d{1,3}Y)?(\d{1,4}M)?(\d{1,4}W)?(\d{1,5}D)?$`)

// ValidPeriod reports whether p is an ISO 8601 period of years, months, weeks
// and days, such as P1Y or P18M, with a limited number of digits.
func ValidPeriod(p string) bool { return p != "P" && period.MatchString(p) }
