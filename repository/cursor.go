package repository

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// A cursor is part of a URL, and proxies and browsers store URLs. A client's key
// must not be stored there, because an application may use e-mail addresses as
// keys. So the cursor is encrypted with a secret of the job that no answer shows.
// Encryption also shows that a cursor comes from this list.

// encryptCursor makes a cursor of a text. The same text gives the same cursor: the
// nonce is computed from the text (a synthetic nonce, as in RFC 5297), so that no
// nonce is used for two texts.
func encryptCursor(secret uuid.UUID, text string) string {
	aead, nonceKey := cursorCipher(secret)
	mac := hmac.New(sha256.New, nonceKey)
	mac.Write([]byte(text))
	nonce := mac.Sum(nil)[:aead.NonceSize()]
	return base64.RawURLEncoding.EncodeToString(aead.Seal(slices.Clone(nonce), nonce, []byte(text), nil))
}

// decryptCursor is the text of a cursor that encryptCursor made with the secret.
func decryptCursor(secret uuid.UUID, cursor string) (string, error) {
	encrypted, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	aead, _ := cursorCipher(secret)
	// The decoder ignores line breaks, so refuse them here.
	if err != nil || len(encrypted) < aead.NonceSize() || strings.ContainsAny(cursor, "\r\n") {
		return "", badCursor()
	}
	text, err := aead.Open(nil, encrypted[:aead.NonceSize()], encrypted[aead.NonceSize():], nil)
	if err != nil {
		return "", badCursor()
	}
	return string(text), nil
}

// cursorCipher derives the cipher and the key of nonces from a job's secret.
func cursorCipher(secret uuid.UUID) (aead cipher.AEAD, nonceKey []byte) {
	key := func(use string) []byte {
		mac := hmac.New(sha256.New, secret[:])
		mac.Write([]byte("oubli cursor: " + use))
		return mac.Sum(nil)
	}
	block, err := aes.NewCipher(key("text"))
	if err != nil {
		panic(err) // not possible: AES takes keys of 32 bytes
	}
	if aead, err = cipher.NewGCM(block); err != nil {
		panic(err) // not possible: AES has the block size that GCM needs
	}
	return aead, key("nonce")
}
