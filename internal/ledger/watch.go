package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oubli/oubli/jobs"
)

// WatchInterval is the time between two looks at the ledger.
const WatchInterval = time.Minute

// Err says why nothing may be erased: the database was restored, or the ledger is
// not the one that this database has written. It asks nobody.
func (l *Ledger) Err() error {
	if e := l.restored.Load(); e != nil {
		return e
	}
	if e := l.broken.Load(); e != nil {
		return e
	}
	return nil
}

// Restored says whether the database counts as restored, and why.
func (l *Ledger) Restored() error {
	if e := l.restored.Load(); e != nil {
		return e
	}
	return nil
}

// Watch looks at the ledger every minute until ctx ends.
func (l *Ledger) Watch(ctx context.Context) {
	tick := time.NewTicker(WatchInterval)
	defer tick.Stop()
	silent := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := l.Check(ctx)
		failed := err != nil && l.Err() == nil && ctx.Err() == nil
		if failed && !silent {
			l.o.Log.Warn().Err(err).Msg("the ledger cannot be looked at, trying again every minute")
		}
		silent = failed
	}
}

// Check compares the ledger with what the database knows of it. It returns Err, or
// why it could not compare; then what it found before stays.
//
// It lists the ledger before it reads the database for the second time. So each
// object that it has seen was announced in the database before, if this is the
// database that wrote it.
func (l *Ledger) Check(ctx context.Context) error {
	known, err := l.o.Epochs.Epoch(ctx)
	switch {
	case err != nil:
		return err
	case l.o.Store == nil:
		l.restored.Store(nil)
		if known.Restored != "" {
			return l.setRestored(ctx, known.Restored)
		}
		return nil
	}
	if err := l.sameLast(ctx, known); err != nil {
		return err
	}
	if err := l.compareHead(ctx, known); err != nil {
		return err
	}
	return l.clearRestored(ctx, known)
}

// CheckHead only looks whether there is an object after the last one that the database
// knows. It is one question to the store.
func (l *Ledger) CheckHead(ctx context.Context) error {
	if err := l.Err(); err != nil {
		return err
	}
	known, err := l.o.Epochs.Epoch(ctx)
	switch {
	case err != nil:
		return err
	case known.Restored != "":
		return l.setRestored(ctx, known.Restored)
	case l.o.Store == nil:
		return nil
	}
	_, err = l.o.Store.Read(ctx, objectName(known.DatabaseID, known.Sequence+1))
	switch {
	case errors.Is(err, ErrMissing):
		return nil
	case err != nil:
		return l.unreachable("cannot be read", err)
	}
	return l.compareHead(ctx, known)
}

// sameLast compares the last object that the database knows.
func (l *Ledger) sameLast(ctx context.Context, known jobs.Epoch) error {
	if known.Sequence == 0 {
		l.setBroken("")
		return nil
	}
	data, err := l.o.Store.Read(ctx, objectName(known.DatabaseID, known.Sequence))
	switch {
	case errors.Is(err, ErrMissing):
		return l.setBroken(fmt.Sprintf("has no object %d of database %s, which this database wrote: "+
			"is it another ledger, or was the object deleted?", known.Sequence, known.DatabaseID))
	case err != nil:
		return l.unreachable("cannot be read", err)
	case !bytes.Equal(digest(data), known.Digest):
		return l.setRestored(ctx, fmt.Sprintf("object %d of the ledger %s is not the one that the database wrote", known.Sequence, l.o.URL))
	}
	l.setBroken("")
	return nil
}

// compareHead compares the sequences.
func (l *Ledger) compareHead(ctx context.Context, known jobs.Epoch) error {
	names, err := l.o.Store.List(ctx, directory(known.DatabaseID), objectName(known.DatabaseID, known.Sequence))
	if err != nil {
		return l.unreachable("cannot be listed", err)
	}
	var head int64
	for _, name := range names {
		head = max(head, sequenceOf(name))
	}
	if head > known.Sequence {
		if known, err = l.o.Epochs.Epoch(ctx); err != nil {
			return err
		}
	}
	switch {
	case head > known.Sequence+1:
		return l.setRestored(ctx, l.beyond(known, head))
	case head == known.Sequence+1:
		ours, err := l.announced(ctx, known, head)
		if err != nil {
			return err
		}
		if !ours {
			return l.setRestored(ctx, l.beyond(known, head))
		}
	}
	return nil
}

// announced reports whether the object after an epoch is one that the database has
// announced: a process is writing it, or has died after it wrote it.
func (l *Ledger) announced(ctx context.Context, known jobs.Epoch, head int64) (bool, error) {
	data, err := l.o.Store.Read(ctx, objectName(known.DatabaseID, head))
	if err != nil {
		return false, l.unreachable("cannot be read", err)
	}
	found := digest(data)
	return slices.ContainsFunc(known.Pending, func(d []byte) bool { return bytes.Equal(d, found) }), nil
}

// advice ends each message about a restored database.
const advice = "nothing is accepted or erased until those who were erased since are erased again: run oubli replay"

func (l *Ledger) setRestored(ctx context.Context, why string) error {
	e := &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeRestored, Msg: "the database was restored: " + why + "; " + advice}
	if before := l.restored.Swap(e); before == nil || before.Msg != e.Msg {
		l.o.Log.Error().Str("code", jobs.CodeRestored).Str("why", why).
			Msg("the database was restored; nothing is accepted or erased: run oubli replay")
	}
	if l.writes() {
		if err := l.o.Epochs.MarkRestored(ctx, why); err != nil {
			l.o.Log.Warn().Err(err).Msg("other processes could not be told that the database was restored; they find out within a minute")
		}
	}
	return e
}

// clearRestored is for a database that the ledger agrees with.
func (l *Ledger) clearRestored(ctx context.Context, known jobs.Epoch) error {
	if l.restored.Swap(nil) != nil {
		l.o.Log.Info().Msg("the database is as new as the ledger again")
	}
	if known.Restored != "" && l.writes() {
		return l.o.Epochs.MarkRestored(ctx, "")
	}
	return nil
}

// writes reports whether this process may write the ledger and the epoch.
func (l *Ledger) writes() bool { return len(l.o.Recipients) > 0 }

// setBroken records that the ledger is not the one that this database wrote; "" that
// it is.
func (l *Ledger) setBroken(why string) error {
	if why == "" {
		l.broken.Store(nil)
		return nil
	}
	err := l.unreachable(why, nil)
	e, _ := errors.AsType[*jobs.Error](err)
	if before := l.broken.Swap(e); before == nil || before.Msg != e.Msg {
		l.o.Log.Error().Err(e).Msg("the ledger is not the one that this database wrote")
	}
	return e
}
