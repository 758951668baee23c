package jobs

import "time"

// Client is a client as an administrator sees it in a list.
type Client struct {
	ClientID       string     `json:"client_id"`
	Name           string     `json:"name" doc:"Current name, never stored"`
	CreatedAt      *time.Time `json:"created_at"`
	LastActivityAt *time.Time `json:"last_activity_at"`
}

// Erasable says whether a client can be erased.
type Erasable string

// Whether a client can be erased at the moment.
const (
	ErasableNow   Erasable = "now"   // nothing stands against it, and nothing would be kept
	ErasableLater Erasable = "later" // an erasure now would keep what the law demands until a date
	ErasableNever Erasable = "never" // as long as a guard holds
)

// ClientDetail is what is held about one client, and whether it can be erased.
type ClientDetail struct {
	Client
	Rows     map[string]int64 `json:"rows" doc:"Number of rows about the client by table, the client's own row included"`
	Erasable Erasable         `json:"erasable" enum:"now,later,never" doc:"now: nothing stands against it. later: an erasure now would remove everything except what the law keeps until the date in until. never: as long as the guard in code holds"`
	Code     string           `json:"code,omitempty" doc:"The guard that holds, anonymous_profile, or retained"`
	Until    *Date            `json:"until,omitempty" doc:"Last day on which data of this client is kept by law"`
}

// ClientSearch asks for clients of one tenant.
type ClientSearch struct {
	TenantID string
	Text     string // a key, or words that are parts of the name; empty: all clients
	Page
}

// MaxSearch is how many characters a search may have, and MaxSearchWords how many
// words.
const (
	MaxSearch      = 100
	MaxSearchWords = 8
)
