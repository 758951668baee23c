package ledger

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"

	"github.com/oubli/oubli/jobs"
)

// header is the first line of an object.
type header struct {
	Ledger     int       `json:"ledger"` // version of the format
	DatabaseID string    `json:"database_id"`
	Sequence   int64     `json:"sequence"`
	Previous   string    `json:"previous,omitempty"` // SHA-256 of the object before, in hex
	WrittenAt  time.Time `json:"written_at"`         // by the database's clock
	Records    int       `json:"records"`
}

// Object is an object of the ledger that was decrypted.
type Object struct {
	header
	Records []jobs.LedgerRecord
}

// seal encrypts the object that comes after an epoch.
func seal(e jobs.Epoch, records []jobs.LedgerRecord, to []age.Recipient) ([]byte, error) {
	var plain bytes.Buffer
	lines := json.NewEncoder(&plain)
	h := header{Ledger: 1, DatabaseID: e.DatabaseID, Sequence: e.Sequence + 1, Previous: hex.EncodeToString(e.Digest),
		WrittenAt: e.Now.UTC(), Records: len(records)}
	if err := lines.Encode(h); err != nil {
		return nil, err
	}
	for _, r := range records {
		if err := lines.Encode(r); err != nil {
			return nil, err
		}
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to...)
	if err != nil {
		return nil, fmt.Errorf("encrypt for the ledger's recipients: %w", err)
	}
	if _, err := w.Write(plain.Bytes()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil { // it writes the rest
		return nil, err
	}
	return sealed.Bytes(), nil
}

// Open decrypts an object, and checks that it is the one that its name says.
func Open(data []byte, databaseID string, seq int64, identities ...age.Identity) (Object, error) {
	r, err := age.Decrypt(bytes.NewReader(data), identities...)
	if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
		return Object{}, fmt.Errorf("object %d is encrypted for other recipients: the identity is not theirs", seq)
	}
	var o Object
	if err == nil {
		o, err = read(bufio.NewReader(r))
	}
	switch {
	case err != nil:
		return Object{}, fmt.Errorf("object %d is truncated or damaged", seq)
	case o.Ledger != 1:
		return Object{}, fmt.Errorf("object %d has format %d, which this program does not know: use the newer program", seq, o.Ledger)
	case o.DatabaseID != databaseID:
		return Object{}, fmt.Errorf("object %d is of database %s, not %s", seq, o.DatabaseID, databaseID)
	case o.Sequence != seq:
		return Object{}, fmt.Errorf("object %d is in the place of object %d", o.Sequence, seq)
	}
	return o, nil
}

func read(r *bufio.Reader) (o Object, err error) {
	lines := json.NewDecoder(r)
	if err := lines.Decode(&o.header); err != nil {
		return o, err
	}
	for range o.header.Records {
		var record jobs.LedgerRecord
		if err := lines.Decode(&record); err != nil {
			return o, err
		}
		o.Records = append(o.Records, record)
	}
	if _, err := lines.Token(); !errors.Is(err, io.EOF) {
		return o, errors.New("has more lines than it says")
	}
	return o, nil
}

// digest is the SHA-256 of an object as it is stored, so that it can be checked
// without an identity.
func digest(object []byte) []byte {
	sum := sha256.Sum256(object)
	return sum[:]
}

// Fingerprint says that a client is the one that a record means, without saying
// more about the client: a new client may get the key of an erased one, but was
// created at another time. It is HMAC-SHA256 over tenant, key and creation time.
func Fingerprint(secret []byte, tenant, key, createdAt string) string {
	mac := hmac.New(sha256.New, secret)
	for _, part := range []string{tenant, key, createdAt} {
		_ = binary.Write(mac, binary.BigEndian, uint32(len(part))) // a hash takes every write
		_, _ = io.WriteString(mac, part)
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// withFingerprints replaces the creation times of a record's clients.
func withFingerprints(r jobs.LedgerRecord, secret []byte) jobs.LedgerRecord {
	if r.CreatedAt == nil {
		return r
	}
	r.Prints = make([]string, len(r.Keys))
	for i, key := range r.Keys {
		if r.CreatedAt[i] != "" {
			r.Prints[i] = Fingerprint(secret, r.Tenant, key, r.CreatedAt[i])
		}
	}
	return r
}

// count is what the clear record says of an object.
func count(seq int64, sealed []byte, records []jobs.LedgerRecord) jobs.LedgerObject {
	o := jobs.LedgerObject{Sequence: seq, Digest: digest(sealed), Bytes: len(sealed)}
	for _, r := range records {
		o.Keys += len(r.Keys)
		if r.Record == jobs.IntentRecord {
			o.Intents++
		} else {
			o.Outcomes++
		}
	}
	return o
}
