package httpapi

import (
	"net/http"

	"github.com/oubli/oubli/jobs"
)

// This file has the table from kinds and codes of errors to HTTP statuses. No
// other file decides a status.

// kinds has the status of each kind of error. The code and the text are used for
// an error that has none itself, or whose text callers must not see.
var kinds = [...]struct {
	status       int
	code, detail string
}{
	jobs.Internal: {http.StatusInternalServerError, "internal",
		"The service could not answer; its log has the cause under this request id."},
	jobs.Malformed:       {http.StatusBadRequest, "malformed", "The request cannot be read."},
	jobs.Unauthenticated: {http.StatusUnauthorized, "unauthenticated", "A valid bearer token is needed."},
	jobs.Forbidden:       {http.StatusForbidden, "forbidden", "The token does not allow this."},
	jobs.Missing:         {http.StatusNotFound, "not_found", "There is no such object."},
	jobs.Conflict:        {http.StatusConflict, "conflict", "The present state does not allow this."},
	jobs.TooLarge:        {http.StatusRequestEntityTooLarge, "too_large", "The request is larger than a limit allows."},
	jobs.Invalid:         {http.StatusUnprocessableEntity, "invalid", "The request breaks a rule."},
	jobs.Unavailable:     {http.StatusServiceUnavailable, "unavailable", "The service cannot reach its database; try again later."},
}

// code is one stable code of a problem.
type code struct {
	kind    jobs.ErrorKind
	meaning string
	status  int    // where HTTP has a more exact status than the kind's; else 0
	retry   string // Retry-After in seconds; empty: repeating alone does not help
}

// codes lists the codes of this package, and those of the stores that the
// documentation of a route names. A code that is not listed has the status of its
// error's kind.
var codes = map[string]code{
	"malformed_json":          {kind: jobs.Malformed, meaning: "The body is not one JSON object in UTF-8."},
	"body_missing":            {kind: jobs.Malformed, meaning: "The route needs a body."},
	"body_unreadable":         {kind: jobs.Malformed, meaning: "The connection ended before the whole body had arrived."},
	"idempotency_key_missing": {kind: jobs.Malformed, meaning: "The Idempotency-Key header is missing."},
	"idempotency_key_invalid": {kind: jobs.Malformed,
		meaning: "The Idempotency-Key has more than 255 characters, or characters other than visible ASCII, or was sent twice."},
	"unauthenticated": {kind: jobs.Unauthenticated, meaning: "The bearer token is missing or not valid."},
	"token_expired":   {kind: jobs.Unauthenticated, meaning: "The bearer token has expired; get a new one and repeat the request."},
	"forbidden":       {kind: jobs.Forbidden, meaning: "The token's role may not do this."},
	"tenant_mismatch": {kind: jobs.Forbidden, meaning: "tenant_id names a tenant other than the token's."},
	"not_found":       {kind: jobs.Missing, meaning: "There is no such object, or it belongs to another tenant."},
	"route_not_found": {kind: jobs.Missing, meaning: "The API has no such route."},
	"method_not_allowed": {kind: jobs.Malformed, status: http.StatusMethodNotAllowed,
		meaning: "The route does not support this method; Allow lists those that it supports."},
	"body_timeout": {kind: jobs.Malformed, meaning: "The body did not arrive in time.", status: http.StatusRequestTimeout},
	"idempotency_in_flight": {kind: jobs.Conflict, retry: "1",
		meaning: "The first request with this Idempotency-Key is still being processed; repeat in a moment."},
	"count_changed": {kind: jobs.Conflict,
		meaning: "The number of clients of the selection is not expected_count; look at the selection again."},
	"selection_used":    {kind: jobs.Conflict, meaning: "The selection has been used for an erasure; make a new one."},
	"selection_expired": {kind: jobs.Conflict, meaning: "The selection has expired; make a new one."},
	"wrong_state":       {kind: jobs.Conflict, meaning: "The state of the job does not allow this; the detail names the state."},
	"keys_emptied": {kind: jobs.Conflict,
		meaning: "The keys of the job's clients are personal and were removed: name the clients in a new request."},
	"nothing_to_retry": {kind: jobs.Conflict, meaning: "No client of the job failed or was skipped."},
	"body_too_large":   {kind: jobs.TooLarge, meaning: "The body is larger than this route accepts."},
	"unsupported_media_type": {kind: jobs.Malformed, status: http.StatusUnsupportedMediaType,
		meaning: "The body is not application/json, or is compressed."},
	"validation_failed":      {kind: jobs.Invalid, meaning: "The request breaks rules; errors lists which, and where."},
	"idempotency_key_reused": {kind: jobs.Invalid, meaning: "This Idempotency-Key was used for another request before."},
	"unknown_tenant":         {kind: jobs.Invalid, meaning: "There is no such tenant in the application's database."},
	"bad_client_id":          {kind: jobs.Invalid, meaning: "A client id cannot be a key of the client table."},
	"target_is_source":       {kind: jobs.Invalid, meaning: "target.client_id is one of source_client_ids."},
	"unknown_target":         {kind: jobs.Invalid, meaning: "target.client_id is no client of the tenant."},
	"unknown_source": {kind: jobs.Invalid,
		meaning: "source_client_ids contains an id that is no client of the tenant; the detail says where."},
	"target_is_anonymous": {kind: jobs.Invalid,
		meaning: "target.client_id is the tenant's anonymous profile; write \"anonymous\": true instead."},
	"source_is_anonymous": {kind: jobs.Invalid, meaning: "source_client_ids contains an anonymous profile, which cannot be merged."},
	"merges_refused": {kind: jobs.Conflict,
		meaning: "With the operator's map, a merge would lose rows or could not move them; the detail says which."},
	"not_a_candidate":  {kind: jobs.Invalid, meaning: "A client in exclude or include is not in the selection."},
	"contradiction":    {kind: jobs.Invalid, meaning: "Two fields exclude each other."},
	"unknown_activity": {kind: jobs.Invalid, meaning: "without names a kind of activity that is not in the map."},
	"bad_period":       {kind: jobs.Invalid, meaning: "The period is not an ISO 8601 period of years, months, weeks and days."},
	"period_too_short": {kind: jobs.Invalid, meaning: "The period is shorter than the map's min_period."},
	"not_overridable": {kind: jobs.Invalid,
		meaning: "override names a guard that is not in the map, or that the map does not mark as overridable."},
	"bad_search": {kind: jobs.Invalid, meaning: "search has more than 100 characters or more than 8 words."},
	"needs_operator": {kind: jobs.Unavailable,
		meaning: "A right is missing or a setting is wrong, which only an operator can change; the detail says what to do."},
	"bad_cursor": {kind: jobs.Invalid, meaning: "The cursor did not come from this list."},
	"too_many_requests": {kind: jobs.Unavailable, status: http.StatusTooManyRequests,
		meaning: "The caller, or for requests without a valid token the network address, has exceeded its limit; " +
			"repeat after Retry-After."},
	"too_many_waiting": {kind: jobs.Unavailable, status: http.StatusTooManyRequests, retry: "5",
		meaning: "Too many requests of this tenant, or of all, wait for a change or follow events; repeat later."},
	"request_cancelled": {kind: jobs.Unavailable, status: statusClientGone,
		meaning: "The caller ended the request before it was answered."},
	"internal": {kind: jobs.Internal, meaning: "An internal error; the log has the cause under the request id."},
	"schema_mismatch": {kind: jobs.Unavailable,
		meaning: "The map does not cover the database's schema; an operator has to correct the map."},
	"unavailable": {kind: jobs.Unavailable, retry: "5",
		meaning: "The database cannot be reached; repeat later, with the same Idempotency-Key. " +
			"If the first request has created a job, the repeat returns that job."},
	"database_restored": {kind: jobs.Unavailable, retry: "60",
		meaning: "The database was restored from a backup, and clients who were erased since may be back in it. " +
			"Nothing is accepted, shown or erased until an operator has run oubli replay."},
	"timeout": {kind: jobs.Unavailable, retry: "5",
		meaning: "The request took too long; repeat it with the same Idempotency-Key."},
}

// statusClientGone is the status in the access log if the caller closed the
// connection before the answer. HTTP has no status for it.
const statusClientGone = 499

// statusOf returns the status of an error: that of its code if the table lists
// one, else that of its kind.
func statusOf(kind jobs.ErrorKind, name string) int {
	if c, listed := codes[name]; listed {
		kind = c.kind
		if c.status != 0 {
			return c.status
		}
	}
	return kinds[kind].status
}

// title returns the title of a problem with this status.
func title(status int) string {
	if status == statusClientGone {
		return "Client Closed Request"
	}
	return http.StatusText(status)
}
