package httpapi

import (
	"net/http"

	"github.com/oubli/oubli/jobs"
)

// code is one stable code of a problem.
type code struct {
	status  int
	meaning string
	retry   string // Retry-After in seconds; empty: repeating does not help by itself
}

// codes lists the codes that callers can meet: this package's own, and those
// of the store that the documentation of a route names.
var codes = map[string]code{
	"malformed_json":          {http.StatusBadRequest, "The body is not one JSON object in UTF-8.", ""},
	"body_missing":            {http.StatusBadRequest, "The route needs a body.", ""},
	"body_unreadable":         {http.StatusBadRequest, "The connection broke off in the body.", ""},
	"idempotency_key_missing": {http.StatusBadRequest, "The Idempotency-Key header is missing.", ""},
	"idempotency_key_invalid": {http.StatusBadRequest, "The Idempotency-Key is longer than 255 characters, or has other characters than visible ASCII, or was sent twice.", ""},
	"unauthenticated":         {http.StatusUnauthorized, "The bearer token is missing or not valid.", ""},
	"token_expired":           {http.StatusUnauthorized, "The bearer token has expired; get a new one and repeat the request.", ""},
	"forbidden":               {http.StatusForbidden, "The token's role may not do this.", ""},
	"tenant_mismatch":         {http.StatusForbidden, "tenant_id names another tenant than the token's.", ""},
	"not_found":               {http.StatusNotFound, "There is no such thing, or it is another tenant's.", ""},
	"route_not_found":         {http.StatusNotFound, "The API has no such route.", ""},
	"method_not_allowed":      {http.StatusMethodNotAllowed, "The route has no such method; Allow lists those that it has.", ""},
	"body_timeout":            {http.StatusRequestTimeout, "The body did not arrive in time.", ""},
	"idempotency_in_flight":   {http.StatusConflict, "The first request with this Idempotency-Key is still being answered; repeat in a moment.", "1"},
	"count_changed":           {http.StatusConflict, "The selection has another number of clients than expected_count; look at it again.", ""},
	"selection_used":          {http.StatusConflict, "The selection has been used for an erasure; make a new one.", ""},
	"selection_expired":       {http.StatusConflict, "The selection has expired; make a new one.", ""},
	"wrong_state":             {http.StatusConflict, "The job's state does not allow the step; the detail names it.", ""},
	"nothing_to_retry":        {http.StatusConflict, "No client of the job failed or was skipped.", ""},
	"body_too_large":          {http.StatusRequestEntityTooLarge, "The body is larger than the route takes.", ""},
	"unsupported_media_type":  {http.StatusUnsupportedMediaType, "The body is not application/json, or is compressed.", ""},
	"validation_failed":       {http.StatusUnprocessableEntity, "The request breaks rules; errors lists where and which.", ""},
	"idempotency_key_reused":  {http.StatusUnprocessableEntity, "This Idempotency-Key came with another request before.", ""},
	"unknown_tenant":          {http.StatusUnprocessableEntity, "There is no such tenant in the booking database.", ""},
	"bad_client_id":           {http.StatusUnprocessableEntity, "A client id cannot be a key of the client table.", ""},
	"target_is_source":        {http.StatusUnprocessableEntity, "target.client_id is one of source_client_ids.", ""},
	"unknown_target":          {http.StatusUnprocessableEntity, "target.client_id is no client of the tenant.", ""},
	"unknown_source":          {http.StatusUnprocessableEntity, "source_client_ids holds one that is no client of the tenant; the detail says where.", ""},
	"target_is_anonymous":     {http.StatusUnprocessableEntity, "target.client_id is the tenant's anonymous profile; name it as such.", ""},
	"source_is_anonymous":     {http.StatusUnprocessableEntity, "source_client_ids holds an anonymous profile, which is nobody.", ""},
	"merges_refused":          {http.StatusConflict, "Under the operator's map a merge would lose rows, or cannot move them; the detail says which.", ""},
	"not_a_candidate":         {http.StatusUnprocessableEntity, "A client named is not in the selection.", ""},
	"contradiction":           {http.StatusUnprocessableEntity, "Two fields exclude each other.", ""},
	"unknown_activity":        {http.StatusUnprocessableEntity, "without names a kind of activity that the map does not know.", ""},
	"bad_period":              {http.StatusUnprocessableEntity, "The period is not an ISO 8601 period of years to days.", ""},
	"period_too_short":        {http.StatusUnprocessableEntity, "The period is below the floor that the map sets.", ""},
	"not_overridable":         {http.StatusUnprocessableEntity, "override names a guard that the map does not have or does not call overridable.", ""},
	"bad_cursor":              {http.StatusUnprocessableEntity, "The cursor is not one that this list gave.", ""},
	"too_many_requests":       {http.StatusTooManyRequests, "The caller, or for requests without a valid token its address, has sent more than its share; repeat after Retry-After.", ""},
	"request_cancelled":       {statusClientGone, "The caller ended the request before its answer.", ""},
	"internal":                {http.StatusInternalServerError, "A fault of the service; the log has the cause under the request id.", ""},
	"schema_mismatch":         {http.StatusServiceUnavailable, "The map does not cover the database's schema; an operator has to mend it.", ""},
	"unavailable":             {http.StatusServiceUnavailable, "The database cannot be reached; repeat later. Nothing was changed, or the same Idempotency-Key finds what was.", "5"},
	"timeout":                 {http.StatusServiceUnavailable, "The request took too long; repeat it with the same Idempotency-Key.", "5"},
}

// kindDefaults serve errors that come without a code or a text, and those
// whose text is not for callers.
var kindDefaults = [...]struct{ code, detail string }{
	jobs.Internal:        {"internal", "The service could not answer; its log has the cause under this request id."},
	jobs.Malformed:       {"malformed", "The request cannot be read."},
	jobs.Unauthenticated: {"unauthenticated", "A valid bearer token is needed."},
	jobs.Forbidden:       {"forbidden", "The token does not allow this."},
	jobs.Missing:         {"not_found", "There is no such thing."},
	jobs.Conflict:        {"conflict", "The present state does not allow this."},
	jobs.TooLarge:        {"too_large", "The request is larger than a limit allows."},
	jobs.Invalid:         {"invalid", "The request breaks a rule."},
	jobs.Unavailable:     {"unavailable", "The service cannot reach its database; try again later."},
}
