package httpapi

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oubli/oubli/jobs"
)

// Limits of tokens and their keys.
const (
	Audience = "oubli" // the aud of every token

	minSecret  = 32   // bytes; RFC 7518 section 3.2
	minRSA     = 2048 // bits; RFC 7518 section 3.3
	maxToken   = 8 << 10
	maxClaim   = 255
	tokenSkew  = 30 * time.Second // tolerance for nbf and iat: clocks of two machines differ
	maxAddress = 254              // RFC 5321 section 4.5.3.1.3, without the angle brackets
)

// VerifierOptions are the keys that verify tokens. Several of each kind are
// valid at the same time, so that keys can be replaced without an interruption.
type VerifierOptions struct {
	Secrets    [][]byte         // for HS256; at least 32 bytes each
	PublicKeys [][]byte         // for EdDSA and RS256: PEM, one or more PUBLIC KEY blocks each
	Now        func() time.Time // nil: time.Now
}

// Verifier checks tokens and returns their callers.
type Verifier struct {
	keys   map[string][]jwt.VerificationKey // by algorithm, so that no key is used with another algorithm
	parser *jwt.Parser
	now    func() time.Time
}

// NewVerifier checks the keys. At least one is required.
func NewVerifier(o VerifierOptions) (*Verifier, error) {
	v := &Verifier{keys: map[string][]jwt.VerificationKey{}}
	for i, secret := range o.Secrets {
		if len(secret) < minSecret {
			return nil, fmt.Errorf("secret %d: want at least %d bytes, got %d", i+1, minSecret, len(secret))
		}
		alg := jwt.SigningMethodHS256.Alg()
		v.keys[alg] = append(v.keys[alg], secret)
	}
	for i, text := range o.PublicKeys {
		if err := v.addPublicKeys(text); err != nil {
			return nil, fmt.Errorf("public key %d: %w", i+1, err)
		}
	}
	if len(v.keys) == 0 {
		return nil, errors.New("no key to verify tokens with")
	}
	v.now = o.Now
	if v.now == nil {
		v.now = time.Now
	}
	var algorithms []string
	for alg := range v.keys {
		algorithms = append(algorithms, alg)
	}
	v.parser = jwt.NewParser(
		jwt.WithValidMethods(algorithms),
		jwt.WithAudience(Audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(tokenSkew),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(v.now),
	)
	return v, nil
}

func (v *Verifier) addPublicKeys(text []byte) error {
	found := false
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "PUBLIC KEY" {
			return errors.New("want PEM blocks of type PUBLIC KEY only")
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return errors.New("a PUBLIC KEY block does not hold a PKIX key")
		}
		alg := ""
		switch key := key.(type) {
		case ed25519.PublicKey:
			alg = jwt.SigningMethodEdDSA.Alg()
		case *rsa.PublicKey:
			if key.N.BitLen() < minRSA {
				return fmt.Errorf("want an RSA key of at least %d bits, got %d", minRSA, key.N.BitLen())
			}
			alg = jwt.SigningMethodRS256.Alg()
		default:
			return errors.New("want an Ed25519 or an RSA key")
		}
		v.keys[alg] = append(v.keys[alg], key)
		found = true
	}
	if !found {
		return errors.New("no PEM block found")
	}
	return nil
}

// claims are the claims of a token that oubli reads.
type claims struct {
	jwt.RegisteredClaims
	Email  string    `json:"email"`
	Tenant string    `json:"tenant"`
	Role   jobs.Role `json:"role"`
}

// UnmarshalJSON accepts a claim only under its exact name, and refuses a claim
// that appears twice. encoding/json would read "ROLE" as role, and use the last
// of two claims: a caller who can add claims to a token could choose a role.
// Claim names are case-sensitive and unique (RFC 7519 sections 4 and 10.1.1).
func (c *claims) UnmarshalJSON(data []byte) error {
	targets := map[string]any{
		"aud": &c.Audience, "exp": &c.ExpiresAt, "nbf": &c.NotBefore, "iat": &c.IssuedAt, "sub": &c.Subject,
		"email": &c.Email, "tenant": &c.Tenant, "role": &c.Role,
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return errToken
	}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		name, ok := tok.(string)
		if err != nil || !ok || seen[name] {
			return errToken
		}
		seen[name] = true
		into := targets[name]
		if into == nil {
			into = new(json.RawMessage)
		}
		if err := dec.Decode(into); err != nil {
			return errToken
		}
	}
	return nil
}

// Validate checks what the JWT library does not: that the required claims are
// present and well formed, and that times are in a sane range. A time beyond the
// range of time.Time wraps around, so that the far future would look like the
// past.
func (c claims) Validate() error {
	for name, t := range map[string]*jwt.NumericDate{"exp": c.ExpiresAt, "nbf": c.NotBefore, "iat": c.IssuedAt} {
		if t != nil && (t.Year() < 1970 || t.Year() > 9999) {
			return fmt.Errorf("%s: %w", name, jwt.ErrTokenInvalidClaims)
		}
	}
	if c.IssuedAt != nil && c.ExpiresAt != nil && c.IssuedAt.After(c.ExpiresAt.Time) {
		return fmt.Errorf("iat: %w", jwt.ErrTokenInvalidClaims)
	}
	for _, claim := range []struct{ name, value string }{
		{"sub", c.Subject}, {"email", c.Email}, {"tenant", c.Tenant}, {"role", string(c.Role)},
	} {
		if claim.value == "" || len(claim.value) > maxClaim || hasControl(claim.value) || hasReplacementChar(claim.value) {
			return fmt.Errorf("%s: %w", claim.name, jwt.ErrTokenRequiredClaimMissing)
		}
	}
	if len(c.Tenant) > jobs.MaxTenantLength {
		return fmt.Errorf("tenant: %w", jwt.ErrTokenInvalidClaims)
	}
	if !bareAddress(c.Email) {
		return fmt.Errorf("email: %w", jwt.ErrTokenInvalidClaims)
	}
	return nil
}

// errExpired is returned for a token that is valid but has expired.
var errExpired = errors.New("token has expired")

// errToken is returned for every other fault. It has no details, because they
// would help to forge tokens.
var errToken = errors.New("token is not valid")

// Verify reads and checks a token. It fails with errExpired or errToken, neither
// of which quotes the token.
func (v *Verifier) Verify(token string) (jobs.Caller, error) {
	caller, _, err := v.verify(token)
	return caller, err
}

// verify is Verify, and says when the token expires.
func (v *Verifier) verify(token string) (jobs.Caller, time.Time, error) {
	var none time.Time
	if len(token) > maxToken {
		return jobs.Caller{}, none, errToken
	}
	var c claims
	_, err := v.parser.ParseWithClaims(token, &c, v.keysFor)
	switch {
	// The signature is checked first: an expired forgery is errToken.
	case errors.Is(err, jwt.ErrTokenExpired):
		return jobs.Caller{}, none, errExpired
	case err != nil:
		return jobs.Caller{}, none, errToken
	// tokenSkew is meant for nbf and iat only. The library applies it to exp
	// too; this undoes that.
	case !v.now().Before(c.ExpiresAt.Time):
		return jobs.Caller{}, none, errExpired
	}
	return jobs.Caller{Subject: c.Subject, Email: c.Email, Tenant: c.Tenant, Role: c.Role}, c.ExpiresAt.Time, nil
}

func (v *Verifier) keysFor(t *jwt.Token) (any, error) {
	// RFC 7515 section 4.1.11: a token with a critical extension that we do not
	// know is invalid.
	if _, ok := t.Header["crit"]; ok {
		return nil, errToken
	}
	return jwt.VerificationKeySet{Keys: v.keys[t.Method.Alg()]}, nil
}

// Mint signs a token for the caller with HS256. It is for development and tests;
// in production your identity provider signs tokens.
func Mint(secret []byte, c jobs.Caller, ttl time.Duration) (string, error) {
	if len(secret) < minSecret {
		return "", fmt.Errorf("secret: want at least %d bytes, got %d", minSecret, len(secret))
	}
	if ttl <= 0 {
		return "", fmt.Errorf("ttl: want more than 0s, got %s", ttl)
	}
	now := time.Now()
	cl := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   c.Subject,
			Audience:  jwt.ClaimStrings{Audience},
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
		Email: c.Email, Tenant: c.Tenant, Role: c.Role,
	}
	if err := cl.Validate(); err != nil {
		return "", fmt.Errorf("token would not be accepted: %w", err)
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, cl).SignedString(secret)
}

// bareAddress reports whether s is an e-mail address and nothing else: it has no
// display name, comment, quoting or line break. A replacement character is
// refused too: the caller sent other, invalid bytes.
func bareAddress(s string) bool {
	if s == "" || len(s) > maxAddress || hasControl(s) || hasReplacementChar(s) {
		return false
	}
	a, err := mail.ParseAddress(s)
	return err == nil && a.Name == "" && a.Address == s && !strings.ContainsAny(s, " \"(),:;<>[]\\")
}

// hasControl reports whether s has a control character. PostgreSQL cannot store
// NUL, and a line break could inject a mail header.
func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
