package jobs

import "time"

// Reason is why clients are erased.
type Reason string

// The reasons. An erasure for inactivity skips clients who were active since its
// cutoff; an erasure that the data subject asked for does not.
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

// Caller is the sender of a request, as the token says.
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

// ErasureRequest asks for an erasure of listed clients, or of a selection.
type ErasureRequest struct {
	TenantID      string   // with a selection it may be AnyTenant, which means the selection's tenant
	ClientIDs     []string // as the caller wrote them; the repository makes them canonical
	SelectionID   string   // instead of ClientIDs
	ExpectedCount int      // number of clients of the selection that the caller confirmed
	Reason        Reason
	Comment       string
	Notify        []string // recipients of the mail
	Locale        string   // of the mail; empty: the tenant's, else English
	NotBefore     time.Time
	Override      []string // guards to ignore
	DryRun        bool     // run the statements and roll them back; no mail is sent
	CreatedBy     string   // the caller's subject
}

// IdempotencyKey recognises a repeated request: the same key with the same
// request returns the first answer and creates no second job.
type IdempotencyKey struct {
	Key    string
	Caller string   // each caller has keys of its own
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
	TenantID string  // AnyTenant: all
	Outcome  Outcome // empty: all
	Page
}

// Page selects one page of a list. Cursor is Next of the previous page; callers
// do not interpret it.
type Page struct {
	Limit  int
	Cursor string
}

// List is one page of a list.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"Cursor of the next page; absent on the last"`
}
