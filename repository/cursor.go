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

// A cursor travels in URLs, which proxies and browsers keep. A client's key
// must not: an application may have given its clients their e-mail addresses
// for keys. Hence it is sealed with a key that the job alone has and that no
// answer tells; that also makes every cursor one that this list gave.

// sealCursor hides text in a cursor. The same text makes the same cursor: the
// nonce is made from it (a synthetic one, as in RFC 5297), so that none is used
// for two texts.
func sealCursor(secret uuid.UUID, text string) string {
	box, nonceKey := cursorBox(secret)
	mac := hmac.New(sha256.New, nonceKey)
	mac.Write([]byte(text))
	nonce := mac.Sum(nil)[:box.NonceSize()]
	return base64.RawURLEncoding.EncodeToString(box.Seal(slices.Clone(nonce), nonce, []byte(text), nil))
}

// openCursor is the text in a cursor that sealCursor made with the secret.
func openCursor(secret uuid.UUID, cursor string) (string, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	box, _ := cursorBox(secret)
	// The decoder passes over line breaks.
	if err != nil || len(sealed) < box.NonceSize() || strings.ContainsAny(cursor, "\r\n") {
		return "", badCursor()
	}
	text, err := box.Open(nil, sealed[:box.NonceSize()], sealed[box.NonceSize():], nil)
	if err != nil {
		return "", badCursor()
	}
	return string(text), nil
}

func cursorBox(secret uuid.UUID) (box cipher.AEAD, nonceKey []byte) {
	key := func(use string) []byte {
		mac := hmac.New(sha256.New, secret[:])
		mac.Write([]byte("oubli cursor: " + use))
		return mac.Sum(nil)
	}
	block, err := aes.NewCipher(key("text"))
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	if box, err = cipher.NewGCM(block); err != nil {
		panic(err) // AES has the size of block that GCM wants
	}
	return box, key("nonce")
}
