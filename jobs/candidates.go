package jobs

// CandidateSort is the order of a selection's candidates.
type CandidateSort string

// The orders of candidates. Times are sorted from the oldest to the newest; clients
// without any come first.
const (
	SortKey          CandidateSort = "key"
	SortLastActivity CandidateSort = "last_activity"
	SortCreatedAt    CandidateSort = "created_at"
)

// CandidateShow says which of a selection's candidates are shown.
type CandidateShow string

// Which candidates are shown.
const (
	ShowAll      CandidateShow = "all"
	ShowIncluded CandidateShow = "included" // would be erased
	ShowBlocked  CandidateShow = "blocked"  // a guard protects them
	ShowExcluded CandidateShow = "excluded" // were excluded by hand
)

// CandidateFilter selects candidates of one selection.
type CandidateFilter struct {
	TenantID    string // AnyTenant: all
	SelectionID string
	Search      string // a key, or words that are parts of the name; empty: all
	Sort        CandidateSort
	Show        CandidateShow
	Page
}

// SelectionFilter selects selections.
type SelectionFilter struct {
	TenantID string // AnyTenant: all
	Page
}
