package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// files is a Store in a directory. The directory must exist: a program that made it
// would write to the wrong disk while the right one is not mounted.
type files struct {
	dir     string
	timeout time.Duration
}

// Create writes the object under another name, waits for the disk, and links it. A
// link never replaces a file, and a crash leaves no part of an object.
func (f files) Create(ctx context.Context, name string, data []byte) error {
	_, err := within(ctx, f.timeout, func() (struct{}, error) { return struct{}{}, f.create(name, data) })
	return err
}

func (f files) create(name string, data []byte) (err error) {
	final := f.path(name)
	dir := filepath.Dir(final)
	if err := f.makeDir(dir, sequenceOf(name) <= 1); err != nil {
		return cause(err)
	}
	temp, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return cause(err)
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Chmod(0o640), temp.Sync(), temp.Close()); err != nil {
		return cause(err)
	}
	switch err := os.Link(temp.Name(), final); {
	case errors.Is(err, fs.ErrExist):
		return ErrExists
	case err != nil:
		return cause(err)
	}
	return cause(syncDir(dir))
}

// makeDir makes a directory of the ledger for its first object, and makes its name
// survive a crash.
func (f files) makeDir(dir string, first bool) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !first {
		return errors.New("the objects before are gone: is the disk mounted?")
	}
	if _, err := os.Stat(f.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(dir)), syncDir(f.dir))
}

// syncDir makes the names in a directory survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f files) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// Read is ErrMissing only while the ledger's directory itself is there.
func (f files) Read(ctx context.Context, name string) ([]byte, error) {
	return within(ctx, f.timeout, func() ([]byte, error) {
		data, err := os.ReadFile(f.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			if _, err = os.Stat(f.dir); err == nil {
				err = ErrMissing
			}
		}
		return data, cause(err)
	})
}

// List of a directory that is not there yet is empty.
func (f files) List(ctx context.Context, dir, after string) ([]string, error) {
	return within(ctx, f.timeout, func() (names []string, err error) {
		entries, err := os.ReadDir(f.path(dir))
		if errors.Is(err, fs.ErrNotExist) {
			_, err = os.Stat(f.dir)
		}
		for _, e := range entries {
			if name := path.Join(dir, e.Name()); name > after && !strings.HasPrefix(e.Name(), ".") {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names, cause(err)
	})
}

// within gives up on f after a time: a network file system that does not answer
// blocks for ever. f then goes on, and what it creates may appear later.
func within[T any](ctx context.Context, d time.Duration, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("no answer: %w", ctx.Err())
	}
}

// cause is why the operating system refused, without the path, which the message
// around it says better.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return fmt.Errorf("create a link: %w", l.Err)
	}
	return err
}
