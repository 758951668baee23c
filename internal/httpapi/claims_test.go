package httpapi

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// mustSignText signs a header and a payload without checking them. A JWT library
// would not sign such texts.
func mustSignText(t testing.TB, header, payload string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(payload))
	signature, err := jwt.SigningMethodHS256.Sign(text, testSecret)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(signature)
}

func TestAClaimCountsUnderItsOwnNameAndOnce(t *testing.T) {
	t.Parallel()
	v, err := NewVerifier(VerifierOptions{Secrets: [][]byte{testSecret}, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	const header = `{"alg":"HS256"}`
	const good = `{"aud":"oubli","exp":1772370000,"sub":"u1","email":"owner@studio.example","tenant":"studio","role":"viewer"`
	for _, c := range []struct {
		name, header, payload string
		want                  error
	}{
		{"as it should be", header, good + `}`, nil},
		{"a claim of somebody else", header, good + `,"name":"x","groups":[{"role":"admin"}]}`, nil},
		{"a role in capitals beside it", header, good + `,"ROLE":"admin"}`, nil},
		{"tenants in other letters beside it", header, good + `,"Tenant":"other","tenanT":"*"}`, nil},
		{"a role in capitals alone", header, strings.Replace(good, `"role"`, `"ROLE"`, 1) + `}`, errToken},
		{"two roles", header, good + `,"role":"admin"}`, errToken},
		{"two roles, one in escapes", header, good + `,"r\u006fle":"admin"}`, errToken},
		{"two of somebody else's", header, good + `,"x":1,"x":2}`, errToken},
		{"half a character in the tenant", header, strings.Replace(good, `"studio"`, `"studio\ud800"`, 1) + `}`, errToken},
		{"half a character in the subject", header, strings.Replace(good, `"u1"`, `"\udc00"`, 1) + `}`, errToken},
		{"half a character in the address", header, strings.Replace(good, `owner@`, `own\ud83der@`, 1) + `}`, errToken},
		{"a second object", header, good + `}{}`, errToken},
		{"an array", header, `[` + good + `}]`, errToken},
		{"null", header, `null`, errToken},
		{"nothing", header, ``, errToken},
		{"cut off", header, good, errToken},
		{"the algorithm under another name", `{"ALG":"HS256"}`, good + `}`, errToken},
		{"a key by its name, its address and itself", `{"alg":"HS256","kid":"../../dev/null' OR 1=1 --",` +
			`"jku":"https://evil.example/keys","x5u":"file:///etc/passwd","jwk":{"kty":"oct","k":""}}`, good + `}`, nil},
		{"compressed", `{"alg":"HS256","zip":"DEF","crit":["zip"]}`, good + `}`, errToken},
	} {
		caller, err := v.Verify(mustSignText(t, c.header, c.payload))
		if !errors.Is(err, c.want) || err == nil && (caller.Role != "viewer" || caller.Tenant != "studio") {
			t.Errorf("%s: got %+v, %v, want %v", c.name, caller, err, c.want)
		}
	}
}

func TestATimeOutsideTheRangeIsRefused(t *testing.T) {
	t.Parallel()
	v, err := NewVerifier(VerifierOptions{Secrets: [][]byte{testSecret}, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	for _, claim := range []string{"exp", "nbf", "iat"} {
		for _, value := range []float64{1e300, -1e300, 1e19, 1e18, 9e15, -1, 253402300800} {
			token := mustSign(t, jwt.SigningMethodHS256, testSecret, with(claim, value))
			if caller, err := v.Verify(token); err == nil {
				t.Errorf("%s of %g: admitted as %+v", claim, value, caller)
			}
		}
	}
	late := with("iat", noon.Add(20*time.Second).Unix())
	late["exp"] = noon.Add(10 * time.Second).Unix()
	if _, err := v.Verify(mustSign(t, jwt.SigningMethodHS256, testSecret, late)); !errors.Is(err, errToken) {
		t.Errorf("issued after it has expired: %v", err)
	}
}
