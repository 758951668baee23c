package ledger

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/oubli/oubli/jobs"
)

// Store keeps objects. An object is never changed.
type Store interface {
	// Create writes an object. It returns ErrExists, and changes nothing, when there
	// is one of that name. After any other error the object may be there, or appear
	// later.
	Create(ctx context.Context, name string, data []byte) error
	// Read returns an object, or ErrMissing.
	Read(ctx context.Context, name string) ([]byte, error)
	// List returns the names in a directory that come after the given one, in order.
	List(ctx context.Context, dir, after string) ([]string, error)
}

// Errors of a Store. Any other error means that the store does not answer or does
// not let us.
var (
	ErrExists  = errors.New("the object exists")
	ErrMissing = errors.New("there is no such object")
)

// storeTimeout bounds one call of a store.
const storeTimeout = 10 * time.Second

// OpenStore reads the URL of a ledger: file:///dir, or
// s3://bucket/prefix?endpoint=http://host:9000&region=eu-central-1. It connects to
// nothing yet.
func OpenStore(raw string) (Store, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("want file:///dir or s3://bucket/prefix?endpoint=…&region=…")
	case u.User != nil:
		return nil, errors.New("has a user or a password; credentials of S3 come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	case u.Scheme == "file" && u.Host == "" && path.IsAbs(u.Path) && u.RawQuery == "":
		return files{dir: path.Clean(u.Path), timeout: storeTimeout}, nil
	case u.Scheme == "s3" && u.Host != "":
		return openS3(u)
	}
	return nil, errors.New("want file:///dir with an absolute path, or s3://bucket/prefix?endpoint=…&region=…")
}

const format = "v1"

// directory is where the objects of a database are.
func directory(databaseID string) string { return path.Join(format, databaseID) }

const suffix = ".age"

// objectName is the name of an object.
func objectName(databaseID string, seq int64) string {
	return path.Join(directory(databaseID), fmt.Sprintf("%012d%s", seq, suffix))
}

// sequenceOf reads the sequence from an object's name; 0 if it is no object of the
// sequence.
func sequenceOf(name string) int64 {
	digits, ok := strings.CutSuffix(path.Base(name), suffix)
	seq, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || len(digits) != 12 || seq < 1 {
		return 0
	}
	return seq
}

// unreachable is the error for a store that does not do what it was asked to. It
// names the ledger, not the object.
func unreachable(where, what string, err error) error {
	return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeLedger, Err: err,
		Msg: fmt.Sprintf("the ledger %s %s, so nothing is erased; the job continues by itself when it answers", where, what)}
}
