package ledger_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/oubli/oubli/internal/ledger"
	"github.com/oubli/oubli/jobs"
)

var errDied = errors.New("died")

func hexDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func TestSeveralProcessesWriteOneSequenceWithoutGaps(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const processes, writes = 4, 25
	var all sync.WaitGroup
	for p := range processes {
		l := r.process()
		for w := range writes {
			all.Go(func() {
				if _, err := l.Write(t.Context(), intent(fmt.Sprintf("%d/%d", p, w), "1")); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	seen := map[string]int{}
	objects := r.objects()
	for _, o := range objects {
		for _, record := range o.Records {
			seen[record.TaskID]++
		}
	}
	if len(seen) != processes*writes {
		t.Errorf("%d records, want %d", len(seen), processes*writes)
	}
	for task, n := range seen {
		if n != 1 {
			t.Errorf("the record of %s is there %d times", task, n)
		}
	}
	if len(objects) > processes*writes/2 {
		t.Errorf("%d records took %d objects: records that are written together share an object", processes*writes, len(objects))
	}
	if n := r.db.Int(t, "SELECT sum(intents) FROM oubli.ledger_objects"); n != processes*writes {
		t.Errorf("the clear record counts %d intents", n)
	}
}

func TestAnObjectWhoseWriterDiedBeforeItSaidSoIsAdopted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mustWrite(t, r.process(), intent("first", "1"))
	dead := r.process(func(o *ledger.Options) { o.Epochs = dying{o.Epochs} })
	if _, err := dead.Write(t.Context(), intent("second", "2")); !errors.Is(err, errDied) {
		t.Fatalf("got %v", err)
	}
	l := r.process()
	if err := l.Check(t.Context()); err != nil {
		t.Errorf("an announced object is taken for a restore: %v", err)
	}
	if seq := mustWrite(t, l, intent("third", "3")); seq != 3 {
		t.Errorf("the next object has number %d, want 3", seq)
	}
	r.objects()
}

func TestAnAnnouncedObjectThatWasNeverWrittenIsReplaced(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	network := &lost{Store: r.store()}
	dead := r.process(func(o *ledger.Options) { o.Store = network })
	if _, err := dead.Write(t.Context(), intent("first", "1")); code(err) != jobs.CodeLedger {
		t.Fatalf("got %v", err)
	}
	r.db.Exec(t, "UPDATE oubli.epoch SET pending_until = now() - interval '1 second'")
	mustWrite(t, r.process(), intent("second", "2"))
	if err := network.arrives(t); !errors.Is(err, ledger.ErrExists) {
		t.Errorf("the object that arrives late: %v, want it refused", err)
	}
	if o := r.objects(); len(o) != 1 || o[0].Records[0].TaskID != "second" {
		t.Errorf("got %+v", o)
	}
}

// arriving is a store in which an object of another process turns up just before ours.
type arriving struct {
	ledger.Store
	once sync.Once
	f    func()
}

func (a *arriving) Create(ctx context.Context, name string, data []byte) error {
	a.once.Do(a.f)
	return a.Store.Create(ctx, name, data)
}

func TestAnObjectThatArrivesLateKeepsItsPlace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	network := &lost{Store: r.store()}
	slow := r.process(func(o *ledger.Options) { o.Store = network })
	if _, err := slow.Write(t.Context(), intent("slow", "1")); err == nil {
		t.Fatal("written")
	}
	r.db.Exec(t, "UPDATE oubli.epoch SET pending_until = now() - interval '1 second'")
	l := r.process(func(o *ledger.Options) {
		o.Store = &arriving{Store: o.Store, f: func() {
			if err := network.arrives(t); err != nil {
				t.Error(err)
			}
		}}
	})
	if seq := mustWrite(t, l, intent("fast", "2")); seq != 2 {
		t.Errorf("got object %d, want 2", seq)
	}
	o := r.objects()
	if len(o) != 2 || o[0].Records[0].TaskID != "slow" || o[1].Records[0].TaskID != "fast" {
		t.Errorf("got %+v", o)
	}
}

// A process that was stopped between the announcement and the write goes on when
// others have long used the number.
func TestAProcessThatWasStoppedBeforeItWroteFindsAnotherNumber(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	stopped := r.process(func(o *ledger.Options) {
		o.Store = &arriving{Store: o.Store, f: func() {
			r.db.Exec(t, "UPDATE oubli.epoch SET pending_until = now() - interval '1 second'")
			other := r.process()
			mustWrite(t, other, intent("a", "1"))
			mustWrite(t, other, intent("b", "2"))
		}}
	})
	if seq := mustWrite(t, stopped, intent("c", "3")); seq != 3 {
		t.Errorf("got object %d, want 3", seq)
	}
	if n := len(r.objects()); n != 3 {
		t.Errorf("%d objects, want 3", n)
	}
}

func TestAClockThatWasSetBackKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dead := r.process(func(o *ledger.Options) { o.Store = &lost{Store: o.Store} })
	if _, err := dead.Write(t.Context(), intent("first", "1")); err == nil {
		t.Fatal("written")
	}
	r.db.Exec(t, "UPDATE oubli.epoch SET pending_until = now() + interval '1 day'")
	mustWrite(t, r.process(), intent("second", "2"))
}

// Control: without the announcement the same death looks like a restore.
func TestWithoutTheAnnouncementADeathLooksLikeARestore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dead := r.process(func(o *ledger.Options) { o.Epochs = dying{o.Epochs} })
	if _, err := dead.Write(t.Context(), intent("first", "1")); err == nil {
		t.Fatal("written")
	}
	r.db.Exec(t, "UPDATE oubli.epoch SET pending = '{}', pending_until = NULL")
	if err := r.process().Check(t.Context()); code(err) != jobs.CodeRestored {
		t.Errorf("got %v", err)
	}
}

func code(err error) string {
	e, ok := errors.AsType[*jobs.Error](err)
	if !ok {
		return ""
	}
	return e.Code
}

func wantCode(t *testing.T, err error, want string, says ...string) {
	t.Helper()
	if code(err) != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
}
