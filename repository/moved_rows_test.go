package repository_test

import (
	"testing"
	"time"

	"github.com/oubli/oubli/repository"
)

// visitSQL is a visit with a photo, and a comment on the photo.
const visitSQL = noTenantSQL + `
CREATE TABLE visits (id int PRIMARY KEY, client_id bigint NOT NULL REFERENCES clients, remark text);
CREATE TABLE photos (id int PRIMARY KEY, visit_id int NOT NULL REFERENCES visits, image text);
CREATE TABLE comments (id int PRIMARY KEY, photo_id int NOT NULL REFERENCES photos, body text);
INSERT INTO visits VALUES (1, 1, 'left knee');
INSERT INTO photos VALUES (1, 1, 'X-ray');
INSERT INTO comments VALUES (1, 1, 'torn');`

func TestAVisitThatMovesToAnotherClientKeepsItsPhotos(t *testing.T) {
	t.Parallel()
	for name, visits := range map[string]string{
		"reassigned": "erase: reassign, columns: {remark: null}",
		"deleted":    "erase: delete",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, noTenant+`tables:
  - {table: visits, reference: client_id, `+visits+`}
  - {table: photos, through: visits, reference: visit_id, erase: delete}
  - {table: comments, through: photos, reference: photo_id, erase: delete}
`, visitSQL, func(o *repository.Options) { o.LockTimeout = 20 * time.Second })
			s.eraseAll(t, "1", "40")                                                   // the profiles are there now
			moving := begin(t, s.Pool, "UPDATE visits SET client_id = 2 WHERE id = 1") // it was booked under the wrong name
			claims := s.claims(t, 1, "1")
			done := make(chan error, 1)
			go func() { done <- drain(t.Context(), s.store, claims[0], 1) }()
			s.blocked(t)
			if err := moving.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			s.is(t, `SELECT v.client_id, v.remark, p.image, c.body FROM visits AS v
				LEFT JOIN photos AS p ON p.visit_id = v.id LEFT JOIN comments AS c ON c.photo_id = p.id`, "2 left knee X-ray torn")
			s.is(t, "SELECT count(*) FROM clients WHERE id = 1", "0")
		})
	}
}

func TestAPhotoThatIsBeingAddedToAVisitGoesWithTheOthers(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: visits, reference: client_id, erase: reassign, columns: {remark: null}}
  - {table: photos, through: visits, reference: visit_id, erase: delete}
  - {table: comments, through: photos, reference: photo_id, erase: delete}
`, visitSQL, func(o *repository.Options) { o.LockTimeout = 20 * time.Second })
	s.eraseAll(t, "1", "40")
	adding := begin(t, s.Pool, "INSERT INTO photos VALUES (2, 1, 'another X-ray')")
	claims := s.claims(t, 1, "1")
	done := make(chan error, 1)
	go func() { done <- drain(t.Context(), s.store, claims[0], 1) }()
	s.blocked(t)
	if err := adding.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.is(t, "SELECT image FROM photos")
}

func TestALogEntryThatMovesToAnotherClientKeepsItsDetailsInASecondLook(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: entries, reference: subject_id, where: "subject_type = 'Client'", erase: delete}
  - {table: details, through: entries, reference: entry_id, erase: delete}
`, noTenantSQL+`
CREATE TABLE entries (id int PRIMARY KEY, subject_type text, subject_id bigint);
CREATE INDEX ON entries (subject_id);
CREATE TABLE details (id int PRIMARY KEY, entry_id int NOT NULL REFERENCES entries, body text);
CREATE INDEX ON details (entry_id);`, impatient, func(o *repository.Options) { o.LockTimeout = 20 * time.Second })
	s.eraseAll(t, "1", "1")
	s.Exec(t, "INSERT INTO entries VALUES (1, 'Client', 1), (2, 'Client', 1)")
	s.Exec(t, "INSERT INTO details VALUES (1, 1, 'of nobody'), (2, 2, 'of client 2')")
	s.Exec(t, "UPDATE oubli.second_looks SET since = now() - interval '2 hours'") // it waits for no transaction
	moving := begin(t, s.Pool, "UPDATE entries SET subject_id = 2 WHERE id = 2")
	done := make(chan error, 1)
	go func() {
		_, err := s.store.RunSecondLooks(t.Context())
		done <- err
	}()
	s.blocked(t)
	if err := moving.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.is(t, "SELECT e.id, subject_id, body FROM entries AS e LEFT JOIN details AS d ON d.entry_id = e.id", "2 2 of client 2")
}

func TestAVisitThatMovesToAnotherClientKeepsItsPhotosInAMerge(t *testing.T) {
	t.Parallel()
	s := newShape(t, noTenant+`tables:
  - {table: visits, reference: client_id, erase: reassign, columns: {remark: keep}}
  - {table: photos, through: visits, reference: visit_id, erase: keep, merge: delete, columns: {image: keep}}
  - {table: comments, through: photos, reference: photo_id, erase: keep, merge: delete, columns: {body: keep}}
`, visitSQL, func(o *repository.Options) { o.LockTimeout = 20 * time.Second })
	moving := begin(t, s.Pool, "UPDATE visits SET client_id = 3 WHERE id = 1")
	j := acceptMerge(t, s.store, mergeRequest("1", "2", []string{"1"}))
	done := make(chan struct{})
	go func() { defer close(done); insist(t, s.store, s.DB, j.ID) }()
	s.blocked(t)
	if err := moving.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-done
	s.is(t, `SELECT v.client_id, p.image, c.body FROM visits AS v
		LEFT JOIN photos AS p ON p.visit_id = v.id LEFT JOIN comments AS c ON c.photo_id = p.id`, "3 X-ray torn")
	s.is(t, "SELECT count(*) FROM clients WHERE id = 1", "0")
}
