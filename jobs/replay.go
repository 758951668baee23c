package jobs

// Replay is the reason of erasures that repeat those which a restore has undone.
const Replay Reason = "replay"

// ReplayReport says what became of the clients whom the ledger says were erased or
// merged since the moment to which the database was put back. Its five counts add up
// to Keys.
type ReplayReport struct {
	ID          string `json:"id"`
	First       int64  `json:"first_object"` // objects that the database did not know
	Last        int64  `json:"last_object"`
	Keys        int    `json:"keys"`
	Absent      int    `json:"absent"`       // not in the database
	ErasedAgain int    `json:"erased_again"` // by this replay
	KeyReused   int    `json:"key_reused"`   // the key belongs to somebody else now
	InDoubt     int    `json:"in_doubt"`     // the ledger does not say whether they were erased, and a guard holds
	Refused     int    `json:"refused"`      // could not be erased or merged again
	// Back are, in a dry run, those who would be erased or merged again.
	Back int `json:"back,omitempty"`
	// Left are those in doubt and refused, at most a thousand of them.
	Left []ReplayLeft `json:"left,omitempty"`
}

// ReplayLeft is a client who is still there.
type ReplayLeft struct {
	TenantID string `json:"tenant_id"`
	ClientID string `json:"client_id"`
	Outcome  string `json:"outcome"` // in_doubt or refused; back in a dry run
	Code     string `json:"code"`
}

// ReplayState is a state of a client in a replay.
type ReplayState string

// The states.
const (
	ReplayAbsent    ReplayState = "absent"
	ReplayErased    ReplayState = "erased_again"
	ReplayKeyReused ReplayState = "key_reused"
	ReplayInDoubt   ReplayState = "in_doubt"
	ReplayRefused   ReplayState = "refused"
	ReplayBack      ReplayState = "back" // in a dry run
)

// Add counts a client.
func (r *ReplayReport) Add(s ReplayState, n int) {
	r.Keys += n
	switch s {
	case ReplayAbsent:
		r.Absent += n
	case ReplayErased:
		r.ErasedAgain += n
	case ReplayKeyReused:
		r.KeyReused += n
	case ReplayInDoubt:
		r.InDoubt += n
	case ReplayRefused:
		r.Refused += n
	case ReplayBack:
		r.Back += n
	}
}

// ReplayPart is what one job of a replay is to do: clients of one tenant.
type ReplayPart struct {
	TenantID string
	Keys     []string
	// Doubt: the ledger has no outcome of these clients, so their guards are judged
	// again. Those of others are not: they were erased.
	Doubt bool
	Terms Terms // of the job that is repeated
}
