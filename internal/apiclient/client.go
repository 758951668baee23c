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
	firstWait     = 200 * time.Millisecond // doubles with every try
	maxRetryAfter = 30 * time.Second       // of the server's own wish
	tryTimeout    = time.Minute            // one try, with the body's transfer
	maxAnswer     = 64 << 20               // bytes
)

// Client is safe for use by several goroutines.
type Client struct {
	base  string
	token func() string // a function, because fmt would print a string
	http  *http.Client
	wait  func(context.Context, time.Duration) error
}

// New makes a client of the API at baseURL, which is what stands before /v1.
func New(baseURL, token string) *Client {
	return &Client{
		base:  strings.TrimRight(baseURL, "/"),
		token: func() string { return token },
		http: &http.Client{
			Timeout: tryTimeout,
			// A redirect could carry the token to somebody else, or turn a
			// POST into a GET.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		wait: wait,
	}
}

// wait returns early, with an error, when ctx ends.
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

// do sends the request, again if that may help, and decodes a success into out.
func (c *Client) do(ctx context.Context, r request, out any) error {
	for try := 1; ; try++ {
		body, retry, err := c.try(ctx, r)
		switch {
		case err == nil:
			if json.Unmarshal(body, out) != nil {
				return c.stranger()
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

// stranger is the error about an answer that is not oubli's.
func (c *Client) stranger() error {
	return &jobs.Error{Kind: jobs.Internal, Msg: c.base + " does not answer as oubli's API does; check the URL"}
}

// backoff is 200 ms, 400 ms and so on, up to half of it more by chance, so
// that many clients do not come back in step.
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
		e := c.refusal(resp, body)
		return nil, advice(resp, e), e
	}
	return body, retryAdvice{}, nil
}

// unreachable is trouble on the way to the API.
func (c *Client) unreachable(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the URL is in the message already
	}
	return &jobs.Error{
		Kind: jobs.Unavailable, Code: "unreachable",
		Msg: fmt.Sprintf("cannot reach the API at %s", c.base), Err: err,
	}
}

// advice reads from a refusal whether to come back. The same request is in
// flight still when an earlier try of ours broke off before its answer.
func advice(resp *http.Response, e *jobs.Error) retryAdvice {
	a := retryAdvice{worth: e.Kind == jobs.Unavailable || resp.StatusCode >= 500 || e.Code == "idempotency_in_flight"}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		a.after = min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	return a
}
