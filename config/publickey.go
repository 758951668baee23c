package config

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// readPublicKeys reads and checks the keys of AuthPublicKeyFile.
func (c *Config) readPublicKeys(r *reader) {
	const key = "OUBLI_AUTH_PUBLIC_KEY_FILE"
	b, err := r.readFile(c.AuthPublicKeyFile)
	if err != nil {
		r.add(key, "cannot read the file: %v", causeOf(err))
		return
	}
	if err := checkPublicKeys(b); err != nil {
		r.add(key, "%v", err)
		return
	}
	c.AuthPublicKeys = b
}

// maxPublicKeys bounds the work to refuse a forged token: every key is tried.
const maxPublicKeys = 16

// checkPublicKeys accepts PEM blocks with Ed25519 and RSA keys. RFC 7518 § 3.3
// requires at least 2048 bits for RS256.
func checkPublicKeys(b []byte) error {
	block, rest := pem.Decode(b)
	if block == nil {
		return errors.New("want PEM blocks of type PUBLIC KEY, got none")
	}
	for n := 1; block != nil; block, rest = pem.Decode(rest) {
		if n++; n > maxPublicKeys+1 {
			return fmt.Errorf("want at most %d keys", maxPublicKeys)
		}
		if strings.Contains(block.Type, "PRIVATE") {
			return errors.New("the file has a private key; keep it where tokens are signed, and name the file of the public key here")
		}
		if block.Type != "PUBLIC KEY" {
			return errors.New("want PEM blocks of type PUBLIC KEY only")
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return errors.New("a PUBLIC KEY block does not hold a PKIX key")
		}
		switch k := key.(type) {
		case ed25519.PublicKey:
		case *rsa.PublicKey:
			if k.N.BitLen() < 2048 {
				return errors.New("want an RSA key of at least 2048 bits")
			}
		default:
			return errors.New("want Ed25519 or RSA keys, got another kind")
		}
	}
	return nil
}
