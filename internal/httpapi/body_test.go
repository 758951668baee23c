package httpapi

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

func TestABodyThatDoesNotArriveIsAnErrorOfTheCaller(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"body_timeout":    os.ErrDeadlineExceeded,
		"body_unreadable": io.ErrUnexpectedEOF,
	} {
		body := io.MultiReader(strings.NewReader(`{"client_ids":`), iotest.ErrReader(err))
		r := httptest.NewRequest("POST", "/v1/erasures", nil)
		_, p := fetchBody(r, httptest.NewRecorder(), &limitedBody{body: body}, smallBody, defaultBodyTimeout)
		if p == nil || p.Code != want || p.Status >= 500 {
			t.Errorf("%v: got %+v, want %s", err, p, want)
		}
	}
}

func TestABodyThatIsAnnouncedTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("POST", "/v1/erasures", nil)
	r.ContentLength = smallBody + 1
	body := &limitedBody{body: iotest.ErrReader(errors.New("read"))}
	if _, p := fetchBody(r, httptest.NewRecorder(), body, smallBody, defaultBodyTimeout); p == nil || p.Code != "body_too_large" {
		t.Errorf("got %+v", p)
	}
}

func TestAServerLeavesNoTimeWithoutLimit(t *testing.T) {
	t.Parallel()
	s := NewServer(http.NotFoundHandler(), "127.0.0.1:0")
	if s.ReadHeaderTimeout <= 0 || s.WriteTimeout <= defaultBodyTimeout || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= maxToken {
		t.Errorf("%+v", s)
	}
}

func TestAnAPINeedsAStoreAndAVerifier(t *testing.T) {
	t.Parallel()
	_, err := New(Options{})
	if err == nil || !strings.Contains(err.Error(), "Store") || !strings.Contains(err.Error(), "Verifier") {
		t.Errorf("got %v", err)
	}
}
