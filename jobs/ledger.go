package jobs

import "time"

// LedgerRecord is one line of the ledger, the record of erasures outside the
// database. It holds keys and policy, and no value of a person.
type LedgerRecord struct {
	Record RecordKind `json:"record"`
	JobID  string     `json:"job,omitempty"`
	TaskID string     `json:"task,omitempty"`
	Kind   LedgerKind `json:"kind"`
	Tenant string     `json:"tenant"`

	// Of an intent.
	Reason     Reason      `json:"reason,omitempty"`
	Cutoff     *time.Time  `json:"cutoff,omitempty"`     // activity since then was a reason to skip
	Listed     *time.Time  `json:"listed,omitempty"`     // when the list of clients was made
	Activities []string    `json:"activities,omitempty"` // kinds of activity that counted; none: all
	Override   []string    `json:"override,omitempty"`   // guards that did not count
	Country    string      `json:"country,omitempty"`
	Locale     string      `json:"locale,omitempty"`
	Keys       []string    `json:"keys,omitempty"`
	Prints     []string    `json:"fingerprints,omitempty"` // see Fingerprint; empty for a client who was not there
	Merge      *MergeTerms `json:"merge,omitempty"`
	Late       bool        `json:"late,omitempty"` // written after the end: the job is older than the ledger
	Sweep      *LedgerScan `json:"sweep,omitempty"`

	// Of an outcome.
	Position   int               `json:"position,omitempty"` // clients that have an outcome
	Left       []string          `json:"left,omitempty"`     // keys of those that have none, because the job was cancelled
	Exceptions []LedgerException `json:"exceptions,omitempty"`

	// CreatedAt has, in the order of Keys, when the clients were created. It goes
	// into the fingerprints and is not written.
	CreatedAt []string `json:"-"`
}

// RecordKind says what a record of the ledger is.
type RecordKind string

// The kinds of record.
const (
	IntentRecord  RecordKind = "intent"  // before the first chunk
	OutcomeRecord RecordKind = "outcome" // after the end
)

// LedgerKind says what a record of the ledger is about.
type LedgerKind string

// What records are about.
const (
	LedgerErasure LedgerKind = "erasure" // a batch of clients
	LedgerMerge   LedgerKind = "merge"
	LedgerSweep   LedgerKind = "sweep" // of retained columns whose period is over
)

// LedgerScan says which sweep an intent is about.
type LedgerScan struct {
	Name  string `json:"name"`
	Table string `json:"table"`
	Day   Date   `json:"day"`
	Rule  string `json:"rule"`
	Rows  int64  `json:"rows,omitempty"` // of an outcome: cleared
}

// LedgerException is a client that was not plainly erased.
type LedgerException struct {
	ClientID      string  `json:"client"`
	Outcome       Outcome `json:"outcome"`
	Code          string  `json:"code"`
	RetainedUntil *Date   `json:"retained_until,omitempty"`
}

// LedgerObject is what is known of an object of the ledger without reading it.
type LedgerObject struct {
	Sequence int64
	Digest   []byte // SHA-256 of the object as it is stored
	Intents  int
	Outcomes int
	Keys     int
	Bytes    int
}

// Epoch is how far the database knows its ledger.
type Epoch struct {
	DatabaseID string
	Sequence   int64  // of the last object; 0: none
	Digest     []byte // of the last object
	// Pending are digests of objects that a process was about to write under the
	// next sequence. At most one of them can be in the ledger.
	Pending [][]byte
	// PendingFor is how much longer the process that announced the last of them may
	// write it; 0 or less: it has given up or died.
	PendingFor time.Duration
	Now        time.Time // by the database's clock
	// System and Timeline are those of the server now, WroteOn those under which the
	// last object was announced. Empty where the server does not say.
	System, WroteOn string
	Restored        string // why the database counts as restored; empty: it does not
}

// Codes of the ledger.
const (
	// CodeLedger blocks a job: the ledger does not take records, so nothing is erased.
	CodeLedger = "ledger_unreachable"
	// CodeRestored stops everything: the ledger knows more than the database.
	CodeRestored = "database_restored"
)
