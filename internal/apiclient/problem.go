package apiclient

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/oubli/oubli/jobs"
)

// maxFaults is how many of a request's mistakes a message lists.
const maxFaults = 3

// problem is the part of RFC 9457's problem document that people read.
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

// kinds is the way back from the table in package httpapi.
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

// refusal is an answer that is not a success, as an error.
func (c *Client) refusal(resp *http.Response, body []byte) *jobs.Error {
	e := &jobs.Error{Kind: kinds[resp.StatusCode]}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	var p problem
	if media != "application/problem+json" || json.Unmarshal(body, &p) != nil {
		e.Msg = fmt.Sprintf("%s answered %d %s, and not as oubli's API does; check the URL", c.base, resp.StatusCode, http.StatusText(resp.StatusCode))
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
	// A proxy that quotes headers would otherwise put the token on a screen.
	if token := c.token(); token != "" {
		e.Msg = strings.ReplaceAll(e.Msg, token, "[secret]")
		e.Code = strings.ReplaceAll(e.Code, token, "[secret]")
	}
	return e
}
