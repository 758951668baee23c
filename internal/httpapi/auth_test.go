package httpapi

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oubli/oubli/jobs"
)

func mustPEM(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func mustSign(t testing.TB, method jwt.SigningMethod, key any, c jwt.MapClaims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noon is the current time in the tests of tokens.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func goodClaims() jwt.MapClaims {
	return jwt.MapClaims{
		"aud": "oubli", "sub": "u1", "email": "owner@studio.example", "tenant": "studio", "role": "admin",
		"iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
	}
}

func with(key string, value any) jwt.MapClaims {
	c := maps.Clone(goodClaims())
	if c[key] = value; value == nil {
		delete(c, key)
	}
	return c
}

func TestATokenIsValidOnlyWithAllOfItsClaims(t *testing.T) {
	t.Parallel()
	v, err := NewVerifier(VerifierOptions{Secrets: [][]byte{testSecret}, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		name   string
		claims jwt.MapClaims
		want   error
	}{
		{"good", goodClaims(), nil},
		{"several audiences", with("aud", []string{"booking", "oubli"}), nil},
		{"without iat", with("iat", nil), nil},
		{"a clock a little ahead", with("iat", noon.Add(10*time.Second).Unix()), nil},
		{"nbf passed", with("nbf", noon.Unix()), nil},
		{"service", with("tenant", "*"), nil},
		{"a role that no route knows", with("role", "root"), nil},
		{"expired", with("exp", noon.Add(-time.Hour).Unix()), errExpired},
		{"expired this moment", with("exp", noon.Unix()), errExpired},
		{"without exp", with("exp", nil), errToken},
		{"exp as text", with("exp", "tomorrow"), errToken},
		{"of the future", with("iat", noon.Add(time.Hour).Unix()), errToken},
		{"not yet", with("nbf", noon.Add(time.Hour).Unix()), errToken},
		{"without aud", with("aud", nil), errToken},
		{"for somebody else", with("aud", "booking"), errToken},
		{"aud in capitals", with("aud", "Oubli"), errToken},
		{"without sub", with("sub", nil), errToken},
		{"empty sub", with("sub", ""), errToken},
		{"long sub", with("sub", long), errToken},
		{"NUL in sub", with("sub", "a\x00b"), errToken},
		{"without email", with("email", nil), errToken},
		{"email with a line break", with("email", "a@b.example\r\nBcc: c@d.example"), errToken},
		{"email with a name", with("email", "A <a@b.example>"), errToken},
		{"without tenant", with("tenant", nil), errToken},
		{"long tenant", with("tenant", long[:65]), errToken},
		{"tenant as a number", with("tenant", 7), errToken},
		{"without role", with("role", nil), errToken},
		{"role as a list", with("role", []string{"admin"}), errToken},
	} {
		_, err := v.Verify(mustSign(t, jwt.SigningMethodHS256, testSecret, c.claims))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestNoTokenPassesWithAnotherAlgorithmOrKey(t *testing.T) {
	t.Parallel()
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, minRSA)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return noon }
	verifier := func(o VerifierOptions) *Verifier {
		o.Now = now
		v, err := NewVerifier(o)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	edPEM, rsaPEM := mustPEM(t, edPublic), mustPEM(t, &rsaKey.PublicKey)
	hs := verifier(VerifierOptions{Secrets: [][]byte{testSecret}})
	ed := verifier(VerifierOptions{PublicKeys: [][]byte{edPEM}})
	both := verifier(VerifierOptions{PublicKeys: [][]byte{edPEM, rsaPEM}})
	secret := verifier(VerifierOptions{Secrets: [][]byte{[]byte("the former secret, still good today"), testSecret}})

	encoded := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	good := mustSign(t, jwt.SigningMethodHS256, testSecret, goodClaims())
	parts := strings.Split(good, ".")
	critical := jwt.NewWithClaims(jwt.SigningMethodHS256, goodClaims())
	critical.Header["crit"] = []string{"exp"}
	withCrit, err := critical.SignedString(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		v     *Verifier
		token string
		ok    bool
	}{
		{"HS256", hs, good, true},
		{"HS256 by the second of two secrets", secret, good, true},
		{"HS256 by the first of two secrets", secret,
			mustSign(t, jwt.SigningMethodHS256, []byte("the former secret, still good today"), goodClaims()), true},
		{"EdDSA", ed, mustSign(t, jwt.SigningMethodEdDSA, edPrivate, goodClaims()), true},
		{"EdDSA beside RS256", both, mustSign(t, jwt.SigningMethodEdDSA, edPrivate, goodClaims()), true},
		{"RS256 beside EdDSA", both, mustSign(t, jwt.SigningMethodRS256, rsaKey, goodClaims()), true},

		{"another secret", hs, mustSign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 40)), goodClaims()), false},
		{"HS384", hs, mustSign(t, jwt.SigningMethodHS384, testSecret, goodClaims()), false},
		{"HS512", hs, mustSign(t, jwt.SigningMethodHS512, testSecret, goodClaims()), false},
		{"none", hs, mustSign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, goodClaims()), false},
		{"none in capitals", hs, encoded(`{"alg":"NONE"}`) + "." + parts[1] + ".", false},
		{"HS256 keyed with the public key's text", both, mustSign(t, jwt.SigningMethodHS256, rsaPEM, goodClaims()), false},
		{"HS256 keyed with the public key's bytes", ed, mustSign(t, jwt.SigningMethodHS256, []byte(edPublic), goodClaims()), false},
		{"RS256 where only EdDSA is known", ed, mustSign(t, jwt.SigningMethodRS256, rsaKey, goodClaims()), false},
		{"PS256", both, mustSign(t, jwt.SigningMethodPS256, rsaKey, goodClaims()), false},
		{"RS512", both, mustSign(t, jwt.SigningMethodRS512, rsaKey, goodClaims()), false},
		{"ES256", both, mustSign(t, jwt.SigningMethodES256, ecKey, goodClaims()), false},
		{"EdDSA by somebody else's key", ed, mustSign(t, jwt.SigningMethodEdDSA, mustEd(t), goodClaims()), false},
		{"an extension that must be understood", hs, withCrit, false},
		{"another payload under the signature", hs, parts[0] + "." + encoded(`{"aud":"oubli","role":"admin"}`) + "." + parts[2], false},
		{"no signature", hs, parts[0] + "." + parts[1] + ".", false},
		{"two parts", hs, parts[0] + "." + parts[1], false},
		{"four parts", hs, good + ".x", false},
		{"padding", hs, good + "=", false},
		{"empty", hs, "", false},
	} {
		caller, err := c.v.Verify(c.token)
		if c.ok != (err == nil) || c.ok && caller.Tenant != "studio" {
			t.Errorf("%s: got %+v, %v", c.name, caller, err)
		}
	}
	forged := mustSign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 40)), with("exp", noon.Add(-time.Hour).Unix()))
	if _, err := hs.Verify(forged); !errors.Is(err, errToken) {
		t.Errorf("the error for a forged, expired token says that it is expired: %v", err)
	}
}

func mustEd(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestWeakOrForeignKeysAreRefused(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]VerifierOptions{
		"no key":         {},
		"short secret":   {Secrets: [][]byte{testSecret, []byte("thirty-one bytes are not enough")}},
		"empty secret":   {Secrets: [][]byte{nil}},
		"no PEM":         {PublicKeys: [][]byte{[]byte("ssh-ed25519 AAAA")}},
		"small RSA key":  {PublicKeys: [][]byte{mustPEM(t, &small.PublicKey)}},
		"elliptic curve": {PublicKeys: [][]byte{mustPEM(t, &ec.PublicKey)}},
		"private key":    {PublicKeys: [][]byte{pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})}},
		"broken key":     {PublicKeys: [][]byte{pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}})}},
	} {
		if _, err := NewVerifier(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	edPublic, edPrivate, _ := ed25519.GenerateKey(rand.Reader)
	twoInOne := append(mustPEM(t, edPublic), mustPEM(t, mustEd(t).Public())...)
	v, err := NewVerifier(VerifierOptions{PublicKeys: [][]byte{twoInOne}, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatalf("two keys in one file: %v", err)
	}
	if _, err := v.Verify(mustSign(t, jwt.SigningMethodEdDSA, edPrivate, goodClaims())); err != nil {
		t.Errorf("the first of two keys in one file: %v", err)
	}
}

func TestAMintedTokenIsValidAndAnInvalidOneIsNotMinted(t *testing.T) {
	t.Parallel()
	v, err := NewVerifier(VerifierOptions{Secrets: [][]byte{testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	want := jobs.Caller{Subject: "u1", Email: "owner@studio.example", Tenant: "studio", Role: jobs.Viewer}
	token, err := Mint(testSecret, want, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Verify(token); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	noEmail := want
	noEmail.Email = ""
	for name, mint := range map[string]func() (string, error){
		"short secret": func() (string, error) { return Mint(testSecret[:31], want, time.Minute) },
		"no time":      func() (string, error) { return Mint(testSecret, want, 0) },
		"no email":     func() (string, error) { return Mint(testSecret, noEmail, time.Minute) },
	} {
		if token, err := mint(); err == nil {
			t.Errorf("%s: minted %s", name, token)
		}
	}
}

func TestAnAddressIsBareOrNotOne(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"owner@studio.example": true, "o.w+n_er@studio.example": true, "owner@localhost": true, "zoë@studio.example": true,
		"": false, "owner": false, "@studio.example": false, "owner@": false, "a@b@c.example": false,
		"Owner <owner@studio.example>": false, "<owner@studio.example>": false, `"o w"@studio.example`: false,
		"owner@studio.example (me)": false, "a@b.example, c@d.example": false, " a@b.example": false, "a@b.example ": false,
		"a\x80@b.example": false, "a\ufffd@b.example": false,
		"a@b.example\r\nBcc: c@d.example": false, "a@b.example\n": false, "a\x00@b.example": false, "a@[127.0.0.1]": false,
		strings.Repeat("a", 64) + "@" + strings.Repeat("b", 190) + ".example": false,
	} {
		if got := bareAddress(address); got != want {
			t.Errorf("%q: got %v, want %v", address, got, want)
		}
	}
}

func FuzzVerifyNeverAdmitsWhatItDidNotSign(f *testing.F) {
	v, err := NewVerifier(VerifierOptions{Secrets: [][]byte{testSecret}, Now: func() time.Time { return noon }})
	if err != nil {
		f.Fatal(err)
	}
	good := mustSign(f, jwt.SigningMethodHS256, testSecret, goodClaims())
	// A fuzzed text that decodes to the same header, payload and signature is the
	// good token.
	stem := good[:strings.LastIndexByte(good, '.')]
	f.Add(good)
	f.Add(good + "=")
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiYiJdfQ.e30.AA")
	f.Fuzz(func(t *testing.T, token string) {
		if caller, err := v.Verify(token); err == nil && !strings.HasPrefix(token, stem+".") {
			t.Errorf("%q is admitted as %+v", token, caller)
		}
	})
}
