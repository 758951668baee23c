package ledger_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/oubli/oubli/internal/ledger"
	"github.com/oubli/oubli/jobs"
)

// putBack remembers the epoch, and returns what puts it back as a restored backup does.
func (r *rig) putBack() func() {
	r.t.Helper()
	r.db.Exec(r.t, "DROP TABLE IF EXISTS backup")
	r.db.Exec(r.t, "CREATE TABLE backup AS SELECT * FROM oubli.epoch")
	return func() {
		r.t.Helper()
		r.db.Exec(r.t, `UPDATE oubli.epoch SET (sequence, digest, pending, pending_until) =
			(SELECT sequence, digest, pending, pending_until FROM backup)`)
		r.db.Exec(r.t, "DELETE FROM oubli.ledger_objects WHERE sequence > (SELECT sequence FROM backup)")
	}
}

func TestARestoredDatabaseIsNoticedByEveryLook(t *testing.T) {
	t.Parallel()
	for _, after := range []int{1, 3} {
		t.Run(fmt.Sprint(after, " objects later"), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			l := r.process()
			mustWrite(t, l, intent("before", "1"))
			restore := r.putBack()
			for i := range after {
				mustWrite(t, l, intent(fmt.Sprint("after ", i), "2"))
			}
			restore()

			// Each process finds out by itself; each way of looking alone suffices.
			head := fmt.Sprintf("has object %d, and the database knows 1", 1+after)
			wantCode(t, r.process().Check(t.Context()), jobs.CodeRestored, head, "oubli replay", r.url)
			r.db.Exec(t, "UPDATE oubli.epoch SET restored = ''")
			wantCode(t, r.process().CheckHead(t.Context()), jobs.CodeRestored, head)
			r.db.Exec(t, "UPDATE oubli.epoch SET restored = ''")
			_, err := r.process().Write(t.Context(), intent("next", "3"))
			wantCode(t, err, jobs.CodeRestored, "oubli replay")

			// A process that cannot see the ledger is told through the database.
			blind := r.process(func(o *ledger.Options) { o.Store, o.Recipients = nil, nil })
			wantCode(t, blind.Check(t.Context()), jobs.CodeRestored)
		})
	}
}

func TestAProcessThatRunsWhenTheDatabaseIsPutBackNoticesBeforeItsNextObject(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := r.process()
	restore := r.putBack()
	mustWrite(t, l, intent("first", "1"))
	restore()
	_, err := l.Write(t.Context(), intent("second", "2"))
	wantCode(t, err, jobs.CodeRestored)
	if l.Err() == nil || l.Restored() == nil {
		t.Error("the process goes on")
	}
}

func TestADatabaseThatIsAsNewAsItsLedgerAgainIsFreed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := r.process()
	mustWrite(t, l, intent("first", "1"))
	r.db.Exec(t, "CREATE TABLE newest AS SELECT * FROM oubli.epoch")
	r.db.Exec(t, "UPDATE oubli.epoch SET sequence = 0, digest = NULL")
	wantCode(t, l.Check(t.Context()), jobs.CodeRestored)
	r.db.Exec(t, "UPDATE oubli.epoch SET (sequence, digest) = (SELECT sequence, digest FROM newest)")
	if err := l.Check(t.Context()); err != nil || l.Err() != nil {
		t.Errorf("got %v", err)
	}
	if why := r.epoch().Restored; why != "" {
		t.Errorf("other processes still read %q", why)
	}
	mustWrite(t, l, intent("second", "2"))
}

// Two copies of a database have the same id. Whoever writes second notices.
func TestOfTwoCopiesThatWriteOneLedgerTheSecondNotices(t *testing.T) {
	t.Parallel()
	r, other := newRig(t), newRig(t)
	other.url, other.dir, other.identity = r.url, r.dir, r.identity
	other.db.Exec(t, "UPDATE oubli.epoch SET database_id = $1", r.epoch().DatabaseID)
	mustWrite(t, r.process(), intent("first", "1"))
	_, err := other.process().Write(t.Context(), intent("second", "2"))
	wantCode(t, err, jobs.CodeRestored)
}

func TestAnObjectThatWasExchangedIsNoticed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *rig) []byte{
		"truncated": func(r *rig) []byte { return r.read("2")[:100] },
		"swapped":   func(r *rig) []byte { return r.read("1") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			l := r.process()
			mustWrite(t, l, intent("first", "1"))
			mustWrite(t, l, intent("second", "2"))
			bad := change(r)
			if err := os.WriteFile(r.file("2"), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			wantCode(t, l.Check(t.Context()), jobs.CodeRestored, "object 2", "is not the one that the database wrote")
			if _, err := ledger.Open(bad, r.epoch().DatabaseID, 2, r.identity); err == nil || !strings.Contains(err.Error(), "object") {
				t.Errorf("opened: %v", err)
			}
		})
	}
}

func TestALedgerWithoutTheLastObjectBlocksWithItsURL(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := r.process()
	mustWrite(t, l, intent("first", "1"))
	mustWrite(t, l, intent("second", "2"))
	if err := os.Rename(r.file("2"), r.file("2")+".gone"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, l.Check(t.Context()), jobs.CodeLedger, r.url, "has no object 2 of database")
	_, err := l.Write(t.Context(), intent("third", "3"))
	wantCode(t, err, jobs.CodeLedger)
	if l.Restored() != nil {
		t.Error("the database counts as restored")
	}
	if err := os.Rename(r.file("2")+".gone", r.file("2")); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, l, intent("third", "3"))
}

func TestAnEmptyDiskInPlaceOfTheLedgersTakesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := r.process()
	mustWrite(t, l, intent("first", "1"))
	if err := os.Rename(r.dir+"/v1", r.dir+"/elsewhere"); err != nil {
		t.Fatal(err)
	}
	_, err := l.Write(t.Context(), intent("second", "2"))
	wantCode(t, err, jobs.CodeLedger, "is the disk mounted?")
	if err := os.Rename(r.dir+"/elsewhere", r.dir+"/v1"); err != nil {
		t.Fatal(err)
	}
	if seq := mustWrite(t, l, intent("second", "2")); seq != 2 {
		t.Errorf("got object %d, want 2", seq)
	}
	r.objects()
}

// full is a store that refuses, as a full or read-only one does.
type full struct {
	ledger.Store
	err error
}

func (f *full) Create(ctx context.Context, name string, data []byte) error {
	if f.err != nil {
		return f.err
	}
	return f.Store.Create(ctx, name, data)
}

func TestAStoreThatIsFullTakesRecordsAgainWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	disk := &full{Store: r.store(), err: fmt.Errorf("no space left on device")}
	l := r.process(func(o *ledger.Options) { o.Store = disk })
	for range 3 {
		_, err := l.Write(t.Context(), intent("first", "1"))
		wantCode(t, err, jobs.CodeLedger, r.url, "does not take records", "no space left on device", "continues by itself")
	}
	disk.err = nil
	mustWrite(t, l, intent("first", "1"))
	r.objects()
}

func TestALedgerInABucketIsWrittenAndReadBack(t *testing.T) {
	r := newRig(t).onS3()
	l := r.process()
	for i := range 3 {
		mustWrite(t, l, intent(fmt.Sprint(i), "1", "2"))
	}
	if n := len(r.objects()); n != 3 {
		t.Errorf("%d objects, want 3", n)
	}
	restore := r.putBack()
	mustWrite(t, l, intent("3", "1"))
	restore()
	wantCode(t, r.process().Check(t.Context()), jobs.CodeRestored)
}

func TestABucketThatDoesNotAnswerIsNamed(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	r := newRig(t)
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
	}))
	t.Cleanup(refuses.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	for what, server := range map[string]*httptest.Server{"AccessDenied": refuses, "refused": gone} {
		r.url = "s3://evidence/oubli?region=eu-central-1&endpoint=" + server.URL
		_, err := r.process().Write(t.Context(), intent("first", "1"))
		wantCode(t, err, jobs.CodeLedger, r.url, what)
	}
}

// Somebody who has to answer a stuck upload must not wait for ever.
func TestAStoreThatNeverAnswersIsGivenUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hangs := make(chan struct{})
	t.Cleanup(func() { close(hangs) })
	l := r.process(func(o *ledger.Options) {
		o.Store = &arriving{Store: o.Store, f: func() { <-hangs }}
	})
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() {
		_, err := l.Write(ctx, intent("first", "1"))
		written <- err
	}()
	cancel()
	wantCode(t, <-written, jobs.CodeLedger, "did not answer in time")
}

func TestOnlyTheRecipientsIdentityOpensAnObject(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	record := intent("first", "17")
	record.CreatedAt = []string{"2024-05-06 07:08:09+00"}
	mustWrite(t, r.process(), record)
	data, id := r.read("1"), r.epoch().DatabaseID
	for _, secret := range []string{"first", "17", "intent", "2024"} {
		if strings.Contains(string(data), secret) {
			t.Errorf("the object shows %q", secret)
		}
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for want, open := range map[string]func() (ledger.Object, error){
		"the identity is not theirs":  func() (ledger.Object, error) { return ledger.Open(data, id, 1, stranger) },
		"in the place of object 2":    func() (ledger.Object, error) { return ledger.Open(data, id, 2, r.identity) },
		"is of database":              func() (ledger.Object, error) { return ledger.Open(data, "another", 1, r.identity) },
		"is truncated or damaged":     func() (ledger.Object, error) { return ledger.Open(data[:len(data)-1], id, 1, r.identity) },
		"object 1 is truncated or da": func() (ledger.Object, error) { return ledger.Open(nil, id, 1, r.identity) },
	} {
		if _, err := open(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	o, err := ledger.Open(data, id, 1, r.identity)
	if err != nil {
		t.Fatal(err)
	}
	got := o.Records[0]
	want := ledger.Fingerprint([]byte(strings.Repeat("s", 32)), "1", "17", "2024-05-06 07:08:09+00")
	if got.Prints[0] != want || len(got.Keys) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestAFingerprintDiffersWithEachOfItsParts(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range [][4]string{
		{"s", "1", "2", "t"}, {"S", "1", "2", "t"}, {"s", "12", "", "t"}, {"s", "1", "2t", ""}, {"s", "1", "2", "u"},
	} {
		seen[ledger.Fingerprint([]byte(p[0]), p[1], p[2], p[3])] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d fingerprints of 5 clients", len(seen))
	}
}

func TestAURLThatNamesNoLedgerIsRefused(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", "/var/ledger", "file://host/dir", "file:relative", "s3:///prefix", "s3://bucket?endpoint=host", "https://x",
		"s3://user:secret@bucket/p", "s3://bucket?acl=public", "s3://bucket?endpoint=http://u:p@host", "file:///dir?x=1",
	} {
		if s, err := ledger.OpenStore(raw); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, %v", raw, s, err)
		}
	}
}
