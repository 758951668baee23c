package jobs

import "time"

// Reason is why clients are erased.
type Reason string

// The reasons. An erasure for inactivity leaves out anybody who was active
// since its cutoff; one that the data subject asked for does not.
const (
	Inactivity     Reason = "inactivity"
	SubjectRequest Reason = "subject_request" // GDPR Art. 17(1)
)

// Role is what a caller may do.
type Role string

// The roles.
const (
	Admin  Role = "admin"  // may change
	Viewer Role = "viewer" // may read its tenant's jobs, without client names
)

// AnyTenant is the tenant in the token of a trusted service, which names the
// tenant itself.
const AnyTenant = "*"

// Caller is who asks.
type Caller struct {
	Subject string
	Email   string
	Tenant  string // an id, or AnyTenant
	Role    Role
}

// Limits of requests.
const (
	MaxClients      = 100_000 // keys in one request
	MaxKeyLength    = 255     // bytes of one client key
	MaxTenantLength = 64      // of a tenant's id
	MaxComment      = 2_000   // characters
	MaxRecipients   = 20
	MaxPage         = 1_000
	DefaultPage     = 100
	MaxIdempotencyK = 255 // characters of an Idempotency-Key
)

// ErasureRequest asks for an erasure of named clients, or of a selection.
type ErasureRequest struct {
	TenantID      string   // with a selection it may be AnyTenant: the selection's own then
	ClientIDs     []string // as the caller wrote them; the repository makes them canonical
	SelectionID   string   // instead of ClientIDs
	ExpectedCount int      // of the selection's clients, as the caller has seen it
	Reason        Reason
	Comment       string
	Notify        []string // recipients of the mail
	Locale        string   // of the mail; empty: the tenant's, else English
	NotBefore     time.Time
	Override      []string // guards that must not hold the clients back
	DryRun        bool     // run the statements and take them back; nobody is notified
	CreatedBy     string   // the caller's subject
}

// IdempotencyKey makes a repeated request harmless: the same key with the same
// request gives the first answer again.
type IdempotencyKey struct {
	Key    string
	Caller string   // keys of different callers never meet
	Hash   [32]byte // of the request's body
}

// Filter selects jobs for a list.
type Filter struct {
	TenantID string // AnyTenant: all
	Kind     Kind
	State    State // empty: all
	Page
}

// ExceptionFilter selects clients of a job.
type ExceptionFilter struct {
	Kind     Kind
	JobID    string
	TenantID string  // AnyTenant: whichever
	Outcome  Outcome // empty: all
	Page
}

// Page bounds a list. Cursor is the Next of the page before, opaque to callers.
type Page struct {
	Limit  int
	Cursor string
}

// List is one page.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"Cursor of the next page; absent on the last"`
}
