package ops

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"

	"github.com/hibiken/asynqmon"

	"github.com/oubli/oubli/jobs"
)

const dashboardPath = "/monitoring"

func newDashboard(o Options) *asynqmon.HTTPHandler {
	return asynqmon.New(asynqmon.Options{
		RootPath:         dashboardPath,
		RedisConnOpt:     o.Redis,
		ReadOnly:         !o.DashboardWritable,
		PayloadFormatter: asynqmon.PayloadFormatterFunc(showPayload),
		ResultFormatter:  asynqmon.ResultFormatterFunc(func(string, []byte) string { return "" }),
	})
}

// showPayload returns the payload of a hint, which is an id, as JSON. Any other
// payload is not shown, because it could contain anything.
func showPayload(_ string, payload []byte) string {
	var h jobs.Hint
	dec := json.NewDecoder(strings.NewReader(string(payload)))
	dec.DisallowUnknownFields()
	if dec.Decode(&h) != nil || !idText.MatchString(h.TaskID) {
		return fmt.Sprintf("not a hint (%d bytes)", len(payload))
	}
	return string(h.Payload())
}

var idText = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

// guardDashboard serves the dashboard with a content security policy that allows
// only requests to this listener. Its page loads fonts from a third party, which
// would learn who uses this oubli.
func guardDashboard(dashboard http.Handler, writable bool) (http.Handler, error) {
	policy, err := dashboardPolicy(dashboard)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !writable && r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the dashboard is read-only; OUBLI_DASHBOARD_WRITABLE=true changes that", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Security-Policy", policy)
		if strings.HasPrefix(r.URL.Path, dashboardPath+"/static/") {
			w.Header().Set("Cache-Control", "private, max-age=86400")
		}
		dashboard.ServeHTTP(w, r)
	}), nil
}

var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// dashboardPolicy allows the inline scripts of the page by their hashes, and no
// other scripts. The hashes depend on the path and on whether the dashboard is
// writable. Inline styles are all allowed, because the page creates them at run
// time.
func dashboardPolicy(dashboard http.Handler) (string, error) {
	page := httptest.NewRecorder()
	dashboard.ServeHTTP(page, httptest.NewRequestWithContext(context.Background(), http.MethodGet, dashboardPath+"/", nil))
	scripts := inlineScript.FindAllSubmatch(page.Body.Bytes(), -1)
	if page.Code != http.StatusOK || len(scripts) == 0 {
		return "", errors.New("the dashboard's page is not as expected")
	}
	allowed := "'self'"
	for _, s := range scripts {
		sum := sha256.Sum256(s[1])
		allowed += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return strings.Join([]string{
		"default-src 'none'", "script-src " + allowed, "style-src 'self' 'unsafe-inline'",
		"img-src 'self' data:", "connect-src 'self'", "manifest-src 'self'",
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	}, "; "), nil
}
