package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"filippo.io/age"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/jobs"
)

// Epochs is what the database knows of its ledger.
type Epochs interface {
	Epoch(ctx context.Context) (jobs.Epoch, error)
	// ReserveObject announces the digest of the object that is to follow the epoch,
	// as seal makes it, and commits. It announces nothing while another is announced,
	// unless these are exactly the digests in instead.
	ReserveObject(ctx context.Context, instead [][]byte, seal func(jobs.Epoch) (digest []byte, err error)) (
		e jobs.Epoch, reserved bool, err error)
	// AdvanceEpoch records an object that is in the ledger, and that was announced. It
	// reports false if the database never announced it.
	AdvanceEpoch(ctx context.Context, o jobs.LedgerObject) (known bool, err error)
	// MarkRestored tells other processes why the database counts as restored; "" that
	// it does not.
	MarkRestored(ctx context.Context, why string) error
}

// Options are the parts and settings of a Ledger.
type Options struct {
	URL    string // for messages
	Store  Store  // nil: no ledger is configured; then only what other processes found is watched
	Epochs Epochs // required
	Log    zerolog.Logger

	// For processes that write.
	Recipients []age.Recipient
	Secret     []byte // of the fingerprints
	// Observe is called after each object.
	Observe func(took time.Duration, o jobs.LedgerObject)
}

// Ledger writes records, and watches whether the database is as new as the ledger.
type Ledger struct {
	o        Options
	flushing sync.Mutex // one object at a time
	mu       sync.Mutex
	open     *group // that takes records; nil: none
	gaveUp   []byte // digest of the object that this process announced last and could not write

	restored atomic.Pointer[jobs.Error]
	broken   atomic.Pointer[jobs.Error] // the ledger is not this database's, or has lost objects
}

// New prepares a ledger. It connects to nothing yet.
func New(o Options) *Ledger {
	if o.Observe == nil {
		o.Observe = func(time.Duration, jobs.LedgerObject) {}
	}
	return &Ledger{o: o}
}

// group is records that go into one object.
type group struct {
	records []jobs.LedgerRecord
	keys    int
	done    chan struct{}
	seq     int64
	err     error
}

const (
	gather       = 3 * time.Millisecond   // how long records wait for others
	groupKeys    = 20_000                 // keys in one object, unless one record has more
	writeTimeout = 25 * time.Second       // for one object: longer than a dead process holds the sequence, and one write
	askStore     = 300 * time.Millisecond // between questions whether an object that another process announced is there
)

// Write writes records and returns when the ledger has them, with the sequence of
// their object. Records that several callers write at the same time share an object.
func (l *Ledger) Write(ctx context.Context, records ...jobs.LedgerRecord) (seq int64, err error) {
	if err := l.Err(); err != nil {
		return 0, err
	}
	keys := 0
	for i, r := range records {
		records[i] = withFingerprints(r, l.o.Secret)
		keys += len(r.Keys)
	}
	l.mu.Lock()
	g := l.open
	leads := g == nil || g.keys+keys > groupKeys
	if leads {
		g = &group{done: make(chan struct{})}
		l.open = g
	}
	g.records, g.keys = append(g.records, records...), g.keys+keys
	l.mu.Unlock()
	if leads {
		// The records of others must not fail because this caller's time is over.
		go l.lead(context.WithoutCancel(ctx), g)
	}
	select {
	case <-g.done:
		return g.seq, g.err
	case <-ctx.Done():
		return 0, l.unreachable("did not answer in time", ctx.Err())
	}
}

// lead writes the object of a group. Further records join the group while the
// object before is written.
func (l *Ledger) lead(ctx context.Context, g *group) {
	defer close(g.done)
	t := time.NewTimer(gather)
	<-t.C
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	if l.open == g {
		l.open = nil
	}
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	g.seq, g.err = l.flush(ctx, g.records)
}

// flush writes one object: it announces the object's digest in the database, creates
// the object, and records in the database that it is there.
func (l *Ledger) flush(ctx context.Context, records []jobs.LedgerRecord) (int64, error) {
	start := time.Now()
	var instead [][]byte
	for waited := time.Duration(0); ; {
		var object []byte
		e, reserved, err := l.o.Epochs.ReserveObject(ctx, instead, func(e jobs.Epoch) (sum []byte, err error) {
			object, err = seal(e, records, l.o.Recipients)
			return digest(object), err
		})
		switch {
		case err != nil:
			return 0, err
		case e.Restored != "":
			return 0, l.setRestored(ctx, e.Restored)
		case !reserved:
			if instead, err = l.wait(ctx, e, &waited); err != nil {
				return 0, err
			}
			continue
		}
		o := count(e.Sequence+1, object, records)
		mine, err := l.create(ctx, e, o, object)
		if err != nil {
			l.gaveUp = o.Digest
			return 0, err
		}
		instead = nil
		if !mine { // an object that was announced before has turned up in this place
			continue
		}
		known, err := l.o.Epochs.AdvanceEpoch(ctx, o)
		if err != nil {
			return 0, err
		}
		if !known {
			return 0, l.setRestored(ctx, "the database went back while it wrote the ledger")
		}
		l.o.Observe(time.Since(start), o)
		return o.Sequence, nil
	}
}

// wait waits for another process, which has announced the next object. It returns
// the announced digests if nobody is going to write their objects any more.
func (l *Ledger) wait(ctx context.Context, e jobs.Epoch, waited *time.Duration) (dead [][]byte, err error) {
	if len(e.Pending) == 0 {
		return nil, nil // it was quicker than this look
	}
	dead = e.Pending
	late := e.PendingFor <= 0 || bytes.Equal(l.gaveUp, e.Pending[len(e.Pending)-1])
	if late || *waited >= askStore {
		*waited = 0
		there, err := l.adopt(ctx, e)
		if err != nil || there {
			return nil, err
		}
		if late {
			return dead, nil
		}
	}
	pause := min(askStore, max(2*time.Millisecond, *waited/2))
	*waited += pause
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil, nil
	case <-ctx.Done():
		return nil, l.unreachable("is being written by another process for too long", ctx.Err())
	}
}

// adopt looks whether an announced object is in the ledger, and records it if so.
func (l *Ledger) adopt(ctx context.Context, e jobs.Epoch) (there bool, err error) {
	data, err := l.o.Store.Read(ctx, objectName(e.DatabaseID, e.Sequence+1))
	if errors.Is(err, ErrMissing) {
		return false, nil
	}
	if err != nil {
		return false, l.unreachable("cannot be read", err)
	}
	return true, l.place(ctx, e, data)
}

// place records an object that is in the ledger in the place after an epoch.
func (l *Ledger) place(ctx context.Context, e jobs.Epoch, data []byte) error {
	found := digest(data)
	isIt := func(announced []byte) bool { return bytes.Equal(announced, found) }
	if slices.ContainsFunc(e.Pending, isIt) {
		known, err := l.o.Epochs.AdvanceEpoch(ctx, jobs.LedgerObject{Sequence: e.Sequence + 1, Digest: found, Bytes: len(data)})
		if err != nil || known {
			return err
		}
	}
	now, err := l.o.Epochs.Epoch(ctx)
	switch {
	case err != nil:
		return err
	case now.Sequence > e.Sequence || slices.ContainsFunc(now.Pending, isIt):
		return nil // another process was faster
	}
	return l.setRestored(ctx, l.beyond(now, e.Sequence+1))
}

// create creates an announced object. It reports false if one that was announced
// before is in its place.
func (l *Ledger) create(ctx context.Context, e jobs.Epoch, o jobs.LedgerObject, data []byte) (mine bool, err error) {
	name := objectName(e.DatabaseID, o.Sequence)
	failed := l.o.Store.Create(ctx, name, data)
	if failed == nil {
		return true, nil
	}
	// The answer to a write that succeeded may have been lost, and then a client
	// library that tried again heard that the object exists.
	there, err := l.o.Store.Read(ctx, name)
	switch {
	case err == nil && bytes.Equal(digest(there), o.Digest):
		return true, nil
	case err == nil:
		return false, l.place(ctx, e, there)
	case errors.Is(failed, ErrExists):
		failed = err
	}
	return false, l.unreachable("does not take records", failed)
}

func (l *Ledger) unreachable(what string, err error) error { return unreachable(l.o.URL, what, err) }

func (l *Ledger) beyond(e jobs.Epoch, head int64) string {
	why := fmt.Sprintf("the ledger %s has object %d, and the database knows %d", l.o.URL, head, e.Sequence)
	if e.WroteOn != "" && e.System != "" && e.WroteOn != e.System {
		why += ", which was written on another server or timeline"
	}
	return why
}
