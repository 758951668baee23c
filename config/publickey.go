package config

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
)

// readPublicKey reads the key that verifies tokens.
func (c *Config) readPublicKey(r *reader) {
	const key = "OUBLI_AUTH_PUBLIC_KEY_FILE"
	b, err := r.readFile(c.AuthPublicKeyFile)
	if err != nil {
		r.add(key, "cannot read the file: %v", causeOf(err))
		return
	}
	if c.AuthPublicKey, err = parsePublicKey(b); err != nil {
		r.add(key, "%v", err)
	}
}

// parsePublicKey accepts Ed25519 and RSA keys in PEM. RFC 7518 § 3.3 wants at
// least 2048 bits for RS256.
func parsePublicKey(b []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("want a PEM file with an Ed25519 or RSA public key")
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return nil, errors.New("the file holds a private key; keep that where tokens are signed, and put the public key here")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("want a PEM file with an Ed25519 or RSA public key")
	}
	switch k := key.(type) {
	case ed25519.PublicKey:
		return k, nil
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return nil, errors.New("want an RSA key of at least 2048 bits")
		}
		return k, nil
	}
	return nil, errors.New("want an Ed25519 or RSA public key, got another kind")
}
