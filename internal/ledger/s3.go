package ledger

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// bucket is a Store in a bucket of S3, or of a server that speaks its protocol. The
// server must honour If-None-Match on a PUT.
type bucket struct {
	client *minio.Client
	name   string
	prefix string
}

// amazon is the endpoint unless the URL names another.
const amazon = "https://s3.amazonaws.com"

// s3Tries bounds how often the client sends one request.
const s3Tries = 3

func openS3(u *url.URL) (Store, error) {
	q := u.Query()
	for key := range q {
		if key != "endpoint" && key != "region" {
			return nil, errors.New("knows the parameters endpoint and region only, got " + key)
		}
	}
	raw, lookup := q.Get("endpoint"), minio.BucketLookupPath
	if raw == "" {
		raw, lookup = amazon, minio.BucketLookupAuto
	}
	at, err := url.Parse(raw)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || at.User != nil || strings.Trim(at.Path, "/") != "" {
		return nil, errors.New("endpoint: want http://host:port or https://host")
	}
	client, err := minio.New(at.Host, &minio.Options{
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{},
			&credentials.IAM{Client: &http.Client{Transport: http.DefaultTransport}},
		}),
		Secure: at.Scheme == "https", Region: q.Get("region"), BucketLookup: lookup, MaxRetries: s3Tries,
	})
	if err != nil {
		return nil, errors.New("cannot be used as a bucket of S3")
	}
	return bucket{client: client, name: u.Host, prefix: strings.Trim(u.Path, "/")}, nil
}

func (b bucket) key(name string) string { return path.Join(b.prefix, name) }

func (b bucket) Create(ctx context.Context, name string, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	o := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true}
	o.SetMatchETagExcept("*")
	_, err := b.client.PutObject(ctx, b.name, b.key(name), bytes.NewReader(data), int64(len(data)), o)
	r := minio.ToErrorResponse(err)
	if err != nil && (r.StatusCode == http.StatusPreconditionFailed || r.Code == minio.PreconditionFailed) {
		return ErrExists
	}
	return s3Cause(err)
}

func (b bucket) Read(ctx context.Context, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	object, err := b.client.GetObject(ctx, b.name, b.key(name), minio.GetObjectOptions{})
	if err != nil {
		return nil, s3Cause(err)
	}
	defer func() { _ = object.Close() }()
	data, err := io.ReadAll(object)
	if err != nil && minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil, ErrMissing
	}
	return data, s3Cause(err)
}

func (b bucket) List(ctx context.Context, dir, after string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	o := minio.ListObjectsOptions{Prefix: b.key(dir) + "/"}
	if after != "" {
		o.StartAfter = b.key(after)
	}
	var names []string
	for object := range b.client.ListObjectsIter(ctx, b.name, o) {
		if object.Err != nil {
			return nil, s3Cause(object.Err)
		}
		name := path.Join(dir, strings.TrimPrefix(object.Key, o.Prefix))
		if name > after && !strings.HasSuffix(object.Key, "/") {
			names = append(names, name)
		}
	}
	return names, s3Cause(ctx.Err())
}

// s3Cause is why the server refused, by its code, or that it does not answer. The
// text of an error would name the object and the whole request.
func s3Cause(err error) error {
	if err == nil {
		return nil
	}
	if r := minio.ToErrorResponse(err); r.Code != "" && r.StatusCode != 0 {
		return errors.New(r.Code)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
