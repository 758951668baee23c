package apiclient

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/oubli/oubli/jobs"
)

// maxFaults is the number of mistakes in a request that an error message lists.
const maxFaults = 3

// problem has the fields of a problem document (RFC 9457) that errors show.
type problem struct {
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
	Errors    []struct {
		Detail    string `json:"detail"`
		Pointer   string `json:"pointer"`
		Parameter string `json:"parameter"`
	} `json:"errors"`
}

// kinds maps statuses to kinds of errors, the reverse of the table in package
// httpapi.
var kinds = map[int]jobs.ErrorKind{
	http.StatusBadRequest:            jobs.Malformed,
	http.StatusUnauthorized:          jobs.Unauthenticated,
	http.StatusForbidden:             jobs.Forbidden,
	http.StatusNotFound:              jobs.Missing,
	http.StatusRequestTimeout:        jobs.Unavailable,
	http.StatusConflict:              jobs.Conflict,
	http.StatusRequestEntityTooLarge: jobs.TooLarge,
	http.StatusUnprocessableEntity:   jobs.Invalid,
	http.StatusTooManyRequests:       jobs.Unavailable,
	http.StatusBadGateway:            jobs.Unavailable,
	http.StatusServiceUnavailable:    jobs.Unavailable,
	http.StatusGatewayTimeout:        jobs.Unavailable,
}

// responseError returns the error for an answer that is not a success.
func (c *Client) responseError(resp *http.Response, body []byte) *jobs.Error {
	e := &jobs.Error{Kind: kinds[resp.StatusCode]}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	var p problem
	if media != "application/problem+json" || json.Unmarshal(body, &p) != nil {
		e.Msg = fmt.Sprintf("%s answered %d %s, and the answer does not come from oubli's API; check the URL",
			c.base, resp.StatusCode, http.StatusText(resp.StatusCode))
		return e
	}
	e.Code = p.Code
	e.Msg = p.Detail
	if e.Msg == "" {
		e.Msg = http.StatusText(resp.StatusCode)
	}
	for i, f := range p.Errors {
		if i == maxFaults {
			e.Msg += fmt.Sprintf("; and %d more", len(p.Errors)-i)
			break
		}
		where := f.Parameter
		if where == "" {
			where = strings.ReplaceAll(strings.TrimPrefix(f.Pointer, "/"), "/", ".")
		}
		if where != "" {
			where += ": "
		}
		e.Msg += "; " + where + f.Detail
	}
	if resp.StatusCode >= 500 && p.RequestID != "" {
		e.Msg += " [request " + p.RequestID + "]"
	}
	// A proxy's error message may quote the request's headers: remove the
	// token, so that it is not shown on a terminal.
	if token := c.token(); token != "" {
		e.Msg = strings.ReplaceAll(e.Msg, token, "[secret]")
		e.Code = strings.ReplaceAll(e.Code, token, "[secret]")
	}
	return e
}
