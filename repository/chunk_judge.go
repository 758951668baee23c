package repository

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/jobs"
)

// verdict is what becomes of the clients of one chunk.
type verdict struct {
	erase      []string           // keys of clients that are erased
	judged     map[string]guarded // what the guards said of each client
	deferred   []string           // keys of clients that other sessions have locked
	owned      map[string][]string
	exceptions []jobs.Exception
	counts     jobs.Counts
	profiles   map[int]string   // the tenant's live profiles, by slot
	conflicts  map[string]int64 // of a merge: rows of which the target has the like, by table

	leavesRows  bool // the chunk leaves rows on profiles; their xmin must not show which were of one client
	triggerRows bool // triggers may have written rows of tables that erasing does not change
}

// judge opens the chunk's transaction and finds out, in one round trip, who is
// erased: the fence, the tenant's lock, the clients' locks, and then the guards,
// on a snapshot that is newer than all of these.
func (s *Store) judge(ctx context.Context, conn *pgx.Conn, ch chunk) (*verdict, error) {
	b := &pgx.Batch{}
	p := ch.judgeParams()
	if err := errors.Join(s.queueLocks(b, ch), queue(b, p, ch.plan.LiveProfiles, ch.plan.Guards)); err != nil {
		return nil, err
	}
	results := conn.SendBatch(ctx, b)
	v, err := readVerdict(results, ch)
	return v, errors.Join(err, results.Close())
}

func readVerdict(results pgx.BatchResults, ch chunk) (*verdict, error) {
	locks, err := readLocks(results, ch)
	if err != nil {
		return nil, err
	}
	v := &verdict{owned: map[string][]string{}}
	if v.profiles, err = readProfiles(results); err != nil {
		return nil, err
	}
	if err := v.readGuards(results, ch, locks); err != nil {
		return nil, err
	}
	v.keepOwned(ch.plan.OwnedColumns, locks)
	return v, nil
}

// keepOwned notes what the rows of the clients to be erased point to.
func (v *verdict) keepOwned(columns []string, locks locked) {
	for i, column := range columns {
		v.owned[column] = []string{} // never nil, which would be NULL
		for _, key := range v.erase {
			if link := locks[key][i]; link != nil {
				v.owned[column] = append(v.owned[column], *link)
			}
		}
	}
}

func readProfiles(results pgx.BatchResults) (map[int]string, error) {
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	return profilesBySlot(rows)
}

// guarded is what the guards say of one client.
type guarded struct {
	code *string      // of the guard that holds; nil: none does
	kept []*time.Time // the latest day, for each of the plan's retention rules
}

// readGuards sorts the chunk's clients into those that are erased, those that
// wait, and the exceptions.
func (v *verdict) readGuards(results pgx.BatchResults, ch chunk, locks locked) error {
	rows, err := results.Query()
	if err != nil {
		return err
	}
	if v.judged, err = readGuarded(rows); err != nil {
		return err
	}
	for _, key := range ch.keys {
		g, exists := v.judged[key]
		_, ours := locks[key]
		until, err := ch.retention().lastDay(ch.plan.RetentionRules, g.kept)
		switch {
		case err != nil:
			return err
		case !exists:
			v.except(jobs.Exception{ClientID: key, Outcome: jobs.NotFound, Code: jobs.CodeNotFound})
		case !ours:
			v.deferred = append(v.deferred, key)
		case g.code != nil && !(ch.claim.Terms.EveryGuard && ch.plan.IsGuard(*g.code)):
			v.except(jobs.Exception{ClientID: key, Outcome: jobs.Skipped, Code: *g.code})
		case until != nil:
			v.erase = append(v.erase, key)
			v.except(jobs.Exception{ClientID: key, Outcome: jobs.ErasedRetained, Code: jobs.CodeRetained, RetainedUntil: until})
		default:
			v.erase = append(v.erase, key)
			v.counts.Erased++
		}
	}
	return nil
}

func (v *verdict) except(e jobs.Exception) {
	v.exceptions = append(v.exceptions, e)
	v.counts.Add(e.Outcome, 1)
}

// readGuarded is what the guards say of each client.
func readGuarded(rows pgx.Rows) (map[string]guarded, error) {
	found := map[string]guarded{}
	var key string
	var g guarded
	_, err := pgx.ForEachRow(rows, []any{&key, &g.code, &g.kept}, func() error {
		found[key] = g
		g = guarded{}
		return nil
	})
	return found, err
}
