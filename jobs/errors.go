package jobs

import "errors"

// ErrorKind sorts errors by what a caller can do about them. Only the HTTP API
// knows which status a kind becomes, only the worker knows which to retry.
type ErrorKind int

// The kinds of error. The zero kind is Internal.
const (
	Internal        ErrorKind = iota
	Malformed                 // the request cannot be read
	Unauthenticated           // nobody known asks
	Forbidden                 // somebody known asks for what is not theirs
	Missing                   // no such thing, or another tenant's
	Conflict                  // the thing's state forbids it
	TooLarge                  // more than a limit allows
	Invalid                   // readable, but against a rule
	Unavailable               // infrastructure trouble; the same again later may work
)

// ErrorKinds lists every kind.
func ErrorKinds() []ErrorKind {
	return []ErrorKind{Internal, Malformed, Unauthenticated, Forbidden, Missing, Conflict, TooLarge, Invalid, Unavailable}
}

// String names the kind, for logs and for asynq, which hears nothing more.
func (k ErrorKind) String() string {
	names := [...]string{"internal", "malformed", "unauthenticated", "forbidden", "missing", "conflict", "too_large", "invalid", "unavailable"}
	if k < 0 || int(k) >= len(names) {
		return "internal"
	}
	return names[k]
}

// Error is the one error type that crosses package borders. Neither Msg nor
// Err may carry a data value of a client: PostgreSQL quotes the offending
// value in its messages, and asynq and logs would keep it.
type Error struct {
	Kind ErrorKind
	Code string // stable, for programs: "count_changed"
	Msg  string // for people: what to change
	// Detail belongs to the code in a client's outcome: names of the schema only.
	Detail string
	Err    error // the cause; may be nil
	// State is the SQLSTATE when PostgreSQL answered a statement of a chunk with
	// this error, and the connection lives on. It does not prove whose fault it is.
	State string
}

// Error is the message with its cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Msg
	}
	if e.Msg == "" {
		return e.Err.Error()
	}
	return e.Msg + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the first [Error] in err's tree, Internal without one.
func KindOf(err error) ErrorKind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Codes of errors by which the worker decides what to do.
const (
	CodeUnavailable = "unavailable"     // infrastructure trouble: wait, and try again
	CodeContention  = "contention"      // somebody else's lock: try again soon, with less
	CodeTimeout     = "timeout"         // it took too long: less may work
	CodeSchema      = "schema_mismatch" // the live schema is not what the map says: block the job until it is
	CodeNotErased   = "not_erased"      // a trigger, rule or `where` left something of the client: fail the client
	CodeOperator    = "needs_operator"  // a right is missing or the map asks for what cannot be: block the job, try now and then
)

// ErrFenced says that a task is no longer this worker's: its lease ran out and
// another claimed it, or its job was paused, cancelled or blocked. Nothing was
// changed.
var ErrFenced = errors.New("task is no longer ours")
