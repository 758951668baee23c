package ledger

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"filippo.io/age"

	"github.com/oubli/oubli/jobs"
)

// Unknown is what the ledger has and the database does not know.
type Unknown struct {
	Objects []Object            // in order
	Known   []jobs.LedgerObject // what the database is to know of each
	Missing []int64             // numbers of objects that are gone, although later ones are there
	Earlier []Object            // of those that the database knows, the ones that have intents of its outcomes
}

// ReadUnknown reads and checks the objects after an epoch.
func (l *Ledger) ReadUnknown(ctx context.Context, e jobs.Epoch, identities []age.Identity) (Unknown, error) {
	var u Unknown
	names, err := l.o.Store.List(ctx, directory(e.DatabaseID), objectName(e.DatabaseID, e.Sequence))
	if err != nil {
		return u, l.unreachable("cannot be listed", err)
	}
	previous := e.Digest
	next := e.Sequence + 1
	for _, name := range names {
		seq := sequenceOf(name)
		if seq == 0 {
			continue
		}
		for ; next < seq; next++ {
			u.Missing = append(u.Missing, next)
			previous = nil
		}
		o, data, err := l.readObject(ctx, e.DatabaseID, seq, identities)
		if err != nil {
			return u, err
		}
		if previous != nil && o.Previous != hex.EncodeToString(previous) {
			return u, fmt.Errorf("object %d does not follow the object before: one of them was exchanged", seq)
		}
		previous = digest(data)
		next++
		u.Objects = append(u.Objects, o)
		u.Known = append(u.Known, count(seq, data, o.Records))
	}
	return u, l.readEarlier(ctx, e, &u, identities)
}

func (l *Ledger) readObject(ctx context.Context, databaseID string, seq int64, identities []age.Identity) (Object, []byte, error) {
	data, err := l.o.Store.Read(ctx, objectName(databaseID, seq))
	if err != nil {
		return Object{}, nil, l.unreachable(fmt.Sprintf("cannot be read at object %d", seq), err)
	}
	o, err := Open(data, databaseID, seq, identities...)
	return o, data, err
}

// readEarlier reads backwards until it has the intent of each outcome.
func (l *Ledger) readEarlier(ctx context.Context, e jobs.Epoch, u *Unknown, identities []age.Identity) error {
	lack := map[string]bool{}
	for _, o := range u.Objects {
		for _, r := range o.Records {
			if r.Record == jobs.OutcomeRecord && r.TaskID != "" {
				lack[r.TaskID] = true
			}
		}
	}
	for _, o := range u.Objects {
		found(o, lack)
	}
	for seq := e.Sequence; seq > 0 && len(lack) > 0; seq-- {
		o, data, err := l.readObject(ctx, e.DatabaseID, seq, identities)
		if errors.Is(err, ErrMissing) {
			return fmt.Errorf("object %d is gone, and has the intent of a batch that ended later", seq)
		}
		if err != nil {
			return err
		}
		if seq == e.Sequence && !bytes.Equal(digest(data), e.Digest) {
			return fmt.Errorf("object %d is not the one that this database wrote", seq)
		}
		if found(o, lack) {
			u.Earlier = append([]Object{o}, u.Earlier...)
		}
	}
	return nil
}

// found removes tasks whose intent an object has.
func found(o Object, lack map[string]bool) (any bool) {
	for _, r := range o.Records {
		if r.Record == jobs.IntentRecord && lack[r.TaskID] {
			delete(lack, r.TaskID)
			any = true
		}
	}
	return any
}
