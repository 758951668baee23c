package httpapi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/jobs"
)

const (
	shortTimeout = 500 * time.Millisecond
	// testDeadline is how long these tests wait for the server to close a
	// connection.
	testDeadline = 20 * time.Second
)

// mustListen serves a handler as NewServer does, but with shorter times.
func mustListen(t *testing.T, h http.Handler) string {
	t.Helper()
	s := NewServer(h, "")
	s.ReadHeaderTimeout, s.IdleTimeout = shortTimeout, shortTimeout
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return l.Addr().String()
}

func mustShortTimeouts(t *testing.T) string {
	t.Helper()
	v, err := NewVerifier(VerifierOptions{Secrets: [][]byte{testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Stores: newMemoryStore().stores(), Waiter: newMemoryStore(), Feed: newMemoryStore(), Verifier: v}
	if err := o.validate(); err != nil {
		t.Fatal(err)
	}
	h, err := newHandler(o, shortTimeout, shortTimeout)
	if err != nil {
		t.Fatal(err)
	}
	return mustListen(t, h)
}

// mustDial opens a connection. Its reads fail if the server does not answer or
// close it within testDeadline.
func mustDial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(testDeadline)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestASlowSenderIsAnsweredAndCutOff(t *testing.T) {
	t.Parallel()
	addr := mustShortTimeouts(t)
	good := "Authorization: Bearer " + mustToken(t, "studio", jobs.Admin) + "\r\nIdempotency-Key: k\r\n"
	for _, c := range []struct {
		name, sent string
		want       int // status; 0: none
	}{
		{"nothing", "", 0},
		{"half a request line", "POST /v1/era", 0},
		{"headers without an end", "GET /v1/erasures HTTP/1.1\r\nHost: oubli\r\nX-A: ", 0},
		{"a body without a token", "POST /v1/erasures HTTP/1.1\r\nHost: oubli\r\nContent-Length: 1000\r\n\r\n{", 401},
		{"a chunked body without a token", "POST /v1/erasures HTTP/1.1\r\nHost: oubli\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
			401},
		{"a body where there is no route", "POST /v1/nowhere HTTP/1.1\r\nHost: oubli\r\nContent-Length: 1000\r\n\r\n{", 404},
		{"a body without a key", "POST /v1/erasures HTTP/1.1\r\nHost: oubli\r\n" +
			strings.Replace(good, "Idempotency-Key", "X", 1) + "Content-Length: 1000\r\n\r\n{", 400},
		{"a body of another type", "POST /v1/erasures HTTP/1.1\r\nHost: oubli\r\n" +
			good + "Content-Type: text/csv\r\nContent-Length: 1000\r\n\r\n{", 415},
		{"a body that nobody asked for", "GET /v1/erasures HTTP/1.1\r\nHost: oubli\r\n" + good + "Content-Length: 1000\r\n\r\n{", 200},
		{"a body that stops", "POST /v1/erasures HTTP/1.1\r\nHost: oubli\r\n" + good + "Content-Length: 1000\r\n\r\n{", 408},
		{"a body of which all is announced", "POST /v1/erasures HTTP/1.1\r\nHost: oubli\r\n" +
			good + fmt.Sprintf("Content-Length: %d\r\n\r\n", clientsBody), 408},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := mustDial(t, addr)
			if _, err := io.WriteString(conn, c.sent); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(conn)
			if c.want != 0 {
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatalf("no answer: %v", err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != c.want {
					t.Errorf("got %s, %v, want %d", resp.Status, err, c.want)
				}
			}
			// The server must close or reset the connection before testDeadline.
			rest, err := io.ReadAll(in)
			if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
				t.Errorf("the connection is held open, after %q", rest)
			}
		})
	}
}

func TestSendingSingleBytesDoesNotExtendTheTimeout(t *testing.T) {
	t.Parallel()
	conn := mustDial(t, mustShortTimeouts(t))
	_, err := fmt.Fprintf(conn, "POST /v1/erasures HTTP/1.1\r\nHost: oubli\r\nAuthorization: Bearer %s\r\n"+
		"Idempotency-Key: k\r\nContent-Length: 100000\r\n\r\n", mustToken(t, "studio", jobs.Admin))
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(shortTimeout / 10):
				if _, err := io.WriteString(conn, " "); err != nil {
					return
				}
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("got %+v, %v", resp, err)
	}
}

func TestAConnectionThatIdlesIsClosed(t *testing.T) {
	t.Parallel()
	conn := mustDial(t, mustShortTimeouts(t))
	if _, err := io.WriteString(conn, "GET /openapi.json HTTP/1.1\r\nHost: oubli\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("an idle connection ends with %v", err)
	}
}

func TestASlowReaderIsCutOff(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	s := NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		page := make([]byte, 1<<20)
		for {
			if _, err := w.Write(page); err != nil {
				ended <- err
				return
			}
		}
	}), "")
	s.WriteTimeout = shortTimeout
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	conn := mustDial(t, l.Addr().String())
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: oubli\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(testDeadline):
		t.Error("a caller who reads nothing keeps the server waiting")
	}
}
