package jobs

// MergeRequest asks for a merge: the target, a client or the tenant's anonymous
// profile, gets the rows of the sources.
type MergeRequest struct {
	TenantID     string
	SourceIDs    []string // as the caller wrote them; the repository makes them canonical
	Target       string   // key of the client that gets the rows; empty: the anonymous profile
	DeleteSource bool
	FillBlanks   bool
	Conflicts    ConflictRule
	Comment      string
	Notify       []string // recipients of the mail
	Locale       string   // of the mail; empty: the tenant's, else English
	DryRun       bool
	CreatedBy    string // the caller's subject
}

// MaxSources is the largest number of sources of one merge.
const MaxSources = 1000

// ConflictRule says what to do when a unique constraint does not allow source
// and target to both have a row, such as a place in the same class.
type ConflictRule string

// The rules. Rows that carry value according to the map are never deleted: with
// a conflict over such a row, the source is not merged under either rule.
const (
	FailOnConflict ConflictRule = "fail"        // do not merge the source
	KeepTarget     ConflictRule = "keep_target" // delete the source's row
)

// MergeTerms are the parameters of a merge, for each of its sources.
type MergeTerms struct {
	// Target is the key of the client that gets the rows. It is empty for the
	// anonymous profile, and after the job has ended. For thirty days after
	// that, the data of second looks still says which client was merged into
	// which.
	Target       string       `json:"target,omitempty"`
	Anonymous    bool         `json:"anonymous"`
	DeleteSource bool         `json:"delete_source"`
	FillBlanks   bool         `json:"fill_blanks"`
	Conflicts    ConflictRule `json:"conflicts"`
	// Found counts, by table, the rows because of which sources were not merged.
	Found map[string]int64 `json:"found,omitempty"`
}

// The codes of sources that could not be merged.
const (
	CodeConflict       = "conflict"            // a unique constraint does not allow the target to have the source's rows too
	CodeValueConflict  = "carries_value"       // rows that carry value would be deleted
	CodeTargetNotFound = "target_not_found"    // the target was erased or merged meanwhile; a new client may have its key
	CodeTargetNobody   = "target_is_anonymous" // the target has become an anonymous profile meanwhile
)
