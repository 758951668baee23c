package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/oubli/oubli/jobs"
)

const (
	maxTries      = 5
	firstWait     = 200 * time.Millisecond // pause before the second try; doubles with every further try
	maxRetryAfter = 30 * time.Second       // a longer Retry-After of the server is shortened to this
	tryTimeout    = time.Minute            // for one try, including the bodies
	maxAnswer     = 64 << 20               // bytes
)

// Client sends requests to the API. It is safe for concurrent use.
type Client struct {
	base  string
	token func() string // a function, so that fmt cannot print the token
	http  *http.Client
	wait  func(context.Context, time.Duration) error
}

// New returns a client of the API at baseURL, which is the URL without /v1.
func New(baseURL, token string) *Client {
	return &Client{
		base:  strings.TrimRight(baseURL, "/"),
		token: func() string { return token },
		http: &http.Client{
			Timeout: tryTimeout,
			// Following a redirect could send the token to another server, or
			// turn a POST into a GET.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		wait: wait,
	}
}

// wait waits for d. It returns early, with an error, when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// request is one request, which may take several tries.
type request struct {
	method, path string
	body         []byte // JSON; nil for none
	key          string // Idempotency-Key; empty for none
}

// do sends the request, several times if that may help, and decodes the body of a
// success into out.
func (c *Client) do(ctx context.Context, r request, out any) error {
	for try := 1; ; try++ {
		body, retry, err := c.try(ctx, r)
		switch {
		case err == nil:
			if json.Unmarshal(body, out) != nil {
				return c.errNotOubli()
			}
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !retry.worth || try == maxTries:
			return err
		}
		if err := c.wait(ctx, max(retry.after, backoff(try))); err != nil {
			return err
		}
	}
}

// errNotOubli returns the error for an answer that does not come from oubli's API.
func (c *Client) errNotOubli() error {
	return &jobs.Error{Kind: jobs.Internal, Msg: "the answer of " + c.base + " does not come from oubli's API; check the URL"}
}

// backoff returns 200 ms, 400 ms and so on, plus a random part of up to half of
// it, so that many clients do not repeat their requests at the same time.
func backoff(try int) time.Duration {
	d := firstWait << (try - 1)
	return d + rand.N(d/2)
}

// retryAdvice says whether trying again may help, and after how long.
type retryAdvice struct {
	worth bool
	after time.Duration
}

func (c *Client) try(ctx context.Context, r request) ([]byte, retryAdvice, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, retryAdvice{}, &jobs.Error{Kind: jobs.Malformed, Msg: "the API's URL cannot be used"}
	}
	req.Header.Set("Authorization", "Bearer "+c.token())
	req.Header.Set("Accept", "application/json, application/problem+json")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		dns, isDNS := errors.AsType[*net.DNSError](err)
		return nil, retryAdvice{worth: !isDNS || !dns.IsNotFound}, c.unreachable(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, retryAdvice{worth: true}, c.unreachable(err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := c.responseError(resp, body)
		return nil, advice(resp, e), e
	}
	return body, retryAdvice{}, nil
}

// unreachable returns the error for a request that got no answer.
func (c *Client) unreachable(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL, which is in Msg
	}
	return &jobs.Error{
		Kind: jobs.Unavailable, Code: "unreachable",
		Msg: fmt.Sprintf("cannot reach the API at %s", c.base), Err: err,
	}
}

// advice says whether to repeat a request that was answered with an error.
// idempotency_in_flight means that the server is still processing an earlier try of
// the same request, after its connection broke.
func advice(resp *http.Response, e *jobs.Error) retryAdvice {
	a := retryAdvice{worth: e.Kind == jobs.Unavailable || resp.StatusCode >= 500 || e.Code == "idempotency_in_flight"}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		a.after = min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	return a
}
