package jobs

// MergeRequest asks that one client takes over what belongs to others, or that
// the tenant's anonymous profile does.
type MergeRequest struct {
	TenantID     string
	SourceIDs    []string // as the caller wrote them; the repository makes them canonical
	Target       string   // key of the client that takes over; empty: the anonymous profile
	DeleteSource bool
	FillBlanks   bool
	Conflicts    ConflictRule
	Comment      string
	Notify       []string // recipients of the mail
	Locale       string   // of the mail; empty: the tenant's, else English
	DryRun       bool
	CreatedBy    string // the caller's subject
}

// MaxSources is how many clients one merge takes.
const MaxSources = 1000

// ConflictRule is what becomes of a source's row of which the target has the
// like already, such as a place in the same class.
type ConflictRule string

// The rules. Rows that the map says carry value are never dropped: there, both
// rules make the merge of that source fail.
const (
	FailOnConflict ConflictRule = "fail"
	KeepTarget     ConflictRule = "keep_target"
)

// MergeTerms is what a merge asks of each of its sources.
type MergeTerms struct {
	// Target is the key of the client that takes over. It is empty for the
	// anonymous profile, and once the job has ended. Only second looks know for
	// thirty days which client went into which other.
	Target       string       `json:"target,omitempty"`
	Anonymous    bool         `json:"anonymous"`
	DeleteSource bool         `json:"delete_source"`
	FillBlanks   bool         `json:"fill_blanks"`
	Conflicts    ConflictRule `json:"conflicts"`
	// Found counts the rows that kept sources from being merged, by table.
	Found map[string]int64 `json:"found,omitempty"`
}

// The codes of sources that could not be merged.
const (
	CodeConflict       = "conflict"            // the target has rows of the like
	CodeValueConflict  = "carries_value"       // rows that carry value would be dropped
	CodeTargetNotFound = "target_not_found"    // erased or merged away meanwhile; somebody else may have got its key
	CodeTargetNobody   = "target_is_anonymous" // the target is an anonymous profile by now
)
