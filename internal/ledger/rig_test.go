package ledger_test

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/ledger"
	"github.com/oubli/oubli/internal/testlog"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// rig is a database, and a ledger for which only the test has the identity.
type rig struct {
	t        *testing.T
	db       *bookingdb.DB
	url      string
	dir      string // of a ledger of files
	identity *age.X25519Identity
	log      testlog.Buffer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return &rig{t: t, db: bookingdb.New(t, 40), dir: dir, url: "file://" + dir, identity: id}
}

// onS3 puts the ledger into a bucket of an S3 server in this process.
func (r *rig) onS3() *rig {
	r.t.Setenv("AWS_ACCESS_KEY_ID", "test")
	r.t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	r.url = "s3://evidence/oubli?region=eu-central-1&endpoint=" + s3Server(r.t).URL
	return r
}

func s3Server(t *testing.T) *httptest.Server {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("evidence"); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(srv.Close)
	return srv
}

func (r *rig) store() ledger.Store {
	r.t.Helper()
	s, err := ledger.OpenStore(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) epochs() *repository.Store {
	r.t.Helper()
	m, err := erasuremap.Parse("oubli.yaml", booking.Map())
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := repository.Open(r.t.Context(), repository.Options{URL: r.db.URL, Map: m})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(s.Close)
	return s
}

// process is a ledger with connections of its own, as each process of oubli has.
func (r *rig) process(change ...func(*ledger.Options)) *ledger.Ledger {
	r.t.Helper()
	o := ledger.Options{URL: r.url, Store: r.store(), Epochs: r.epochs(), Recipients: []age.Recipient{r.identity.Recipient()},
		Secret: bytes.Repeat([]byte("s"), 32), Log: zerolog.New(&r.log)}
	for _, f := range change {
		f(&o)
	}
	return ledger.New(o)
}

func intent(task string, keys ...string) jobs.LedgerRecord {
	return jobs.LedgerRecord{Record: jobs.IntentRecord, Kind: jobs.LedgerErasure, TaskID: task, Tenant: "1", Keys: keys,
		CreatedAt: make([]string, len(keys))}
}

func mustWrite(t *testing.T, l *ledger.Ledger, records ...jobs.LedgerRecord) int64 {
	t.Helper()
	seq, err := l.Write(t.Context(), records...)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func (r *rig) epoch() jobs.Epoch {
	r.t.Helper()
	e, err := r.epochs().Epoch(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

// objects reads the whole ledger, and checks that it is a chain without a gap whose
// end the database knows.
func (r *rig) objects() []ledger.Object {
	r.t.Helper()
	e := r.epoch()
	names, err := r.store().List(r.t.Context(), "v1/"+e.DatabaseID, "")
	if err != nil {
		r.t.Fatal(err)
	}
	var all []ledger.Object
	previous := ""
	for i, name := range names {
		data, err := r.store().Read(r.t.Context(), name)
		if err != nil {
			r.t.Fatal(err)
		}
		o, err := ledger.Open(data, e.DatabaseID, int64(i+1), r.identity)
		if err != nil {
			r.t.Fatal(err)
		}
		if o.Previous != previous {
			r.t.Errorf("object %d follows %q, want %q", i+1, o.Previous, previous)
		}
		previous = hexDigest(data)
		all = append(all, o)
	}
	if e.Sequence != int64(len(all)) {
		r.t.Errorf("the database knows %d objects, and there are %d", e.Sequence, len(all))
	}
	return all
}

// file is the path of an object.
func (r *rig) file(seq string) string {
	return filepath.Join(r.dir, "v1", r.epoch().DatabaseID, strings.Repeat("0", 12-len(seq))+seq+".age")
}

func (r *rig) read(seq string) []byte {
	r.t.Helper()
	b, err := os.ReadFile(r.file(seq))
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// dying is a process that dies after it has written an object, before it could record
// that.
type dying struct{ ledger.Epochs }

func (dying) AdvanceEpoch(context.Context, jobs.LedgerObject) (bool, error) { return false, errDied }

// lost is a store whose network loses what is sent, and lets the test send it later.
type lost struct {
	ledger.Store
	name string
	data []byte
}

func (l *lost) Create(_ context.Context, name string, data []byte) error {
	l.name, l.data = name, data
	return errDied
}

func (l *lost) arrives(t *testing.T) error {
	t.Helper()
	return l.Store.Create(t.Context(), l.name, l.data)
}
