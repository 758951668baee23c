package jobs

import "errors"

// ErrorKind sorts errors by what a caller can do about them. The HTTP API
// decides which status a kind gets, the worker decides which kinds to retry.
type ErrorKind int

// The kinds of error. The zero kind is Internal.
const (
	Internal        ErrorKind = iota
	Malformed                 // the request cannot be read
	Unauthenticated           // the caller has no valid token
	Forbidden                 // the token does not allow this
	Missing                   // there is no such object, or it belongs to another tenant
	Conflict                  // the state of the object does not allow this
	TooLarge                  // the request exceeds a limit
	Invalid                   // the request can be read, but breaks a rule
	Unavailable               // an infrastructure error; the same request may succeed later
)

// ErrorKinds lists every kind.
func ErrorKinds() []ErrorKind {
	return []ErrorKind{Internal, Malformed, Unauthenticated, Forbidden, Missing, Conflict, TooLarge, Invalid, Unavailable}
}

// String names the kind, for logs.
func (k ErrorKind) String() string {
	names := [...]string{"internal", "malformed", "unauthenticated", "forbidden", "missing", "conflict", "too_large", "invalid", "unavailable"}
	if k < 0 || int(k) >= len(names) {
		return "internal"
	}
	return names[k]
}

// Error is the error type that packages return to each other. Neither Msg nor
// Err may contain a data value of a client: PostgreSQL quotes values in its
// messages, and the logs would store them.
type Error struct {
	Kind ErrorKind
	Code string // stable, for programs: "count_changed"
	Msg  string // for people: what to change
	// Detail is shown beside the code in a client's outcome. It contains names of
	// the schema only.
	Detail string
	Err    error // the cause; may be nil
	// State is the SQLSTATE, if PostgreSQL answered a statement of a chunk with
	// this error and the connection is still usable. It does not prove what
	// caused the error: a client's data, a lock or the server.
	State string
}

// Error returns the message with its cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Msg
	}
	if e.Msg == "" {
		return e.Err.Error()
	}
	return e.Msg + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first [Error] in err's tree, or Internal if
// there is none.
func KindOf(err error) ErrorKind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Codes of errors by which the worker decides what to do.
const (
	CodeUnavailable = "unavailable"     // an infrastructure error: wait, and try again
	CodeContention  = "contention"      // another session holds a lock: try again soon, with fewer clients
	CodeTimeout     = "timeout"         // the chunk took too long: try again with fewer clients
	CodeSchema      = "schema_mismatch" // the map does not cover the live schema: block the job until it does
	CodeNotErased   = "not_erased"      // data of the client is left, because of a trigger, rule or `where`: fail the client
	CodeOperator    = "needs_operator"  // a right is missing or the map is wrong: block the job, and try again from time to time
)

// ErrFenced means that this worker no longer has the task: the lease ran out and
// another worker claimed the task, or its job was paused, cancelled or blocked.
// Nothing was changed.
var ErrFenced = errors.New("task is no longer ours")
