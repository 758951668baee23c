package repository

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// acceptOnce stores the job that store makes and the answer to its request, in
// one transaction, once per idempotency key. A repeat gets the first answer
// before the request is checked: the map, the selection and the clients may have
// changed since, and the first answer is still valid. For the same reason a
// missing plan is an error only for a new request.
func (s *Store) acceptOnce(ctx context.Context, op string, key jobs.IdempotencyKey,
	store func(pgx.Tx, *plan.Plan) (jobs.Job, error)) (job jobs.Job, replayed bool, err error) {
	// Before the transaction, because reading the schema takes a connection of its
	// own: transactions that each hold one connection and wait for a second one can
	// block the whole pool.
	p, noPlan := s.basics(ctx)
	err = s.idTx(ctx, op, func(tx pgx.Tx) error {
		job, replayed, err = firstAnswer(ctx, tx, key)
		if err != nil || replayed {
			return err
		}
		if noPlan != nil {
			return noPlan
		}
		if job, err = store(tx, p); err != nil {
			return err
		}
		err = keepAnswer(ctx, tx, key, job)
		s.opts.Failpoint("accept:stored")
		return err
	})
	if err != nil {
		return jobs.Job{}, false, err
	}
	s.opts.Failpoint("accept:committed")
	return job, replayed, nil
}

// firstAnswer is the answer to an earlier request with this key; found is false
// without one. The lock lasts until the transaction ends, so that a repeat that
// comes while the first request is being stored is a conflict and not a second
// job.
func firstAnswer(ctx context.Context, tx pgx.Tx, key jobs.IdempotencyKey) (job jobs.Job, found bool, err error) {
	name, digest := digests(key)
	var free bool
	err = tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(hashtextextended($1 || E'\x01' || $2, 0))`, key.Caller, name).Scan(&free)
	if err != nil {
		return job, false, err
	}
	if !free {
		return job, false, &jobs.Error{Kind: jobs.Conflict, Code: "idempotency_in_flight",
			Msg: "a request with this Idempotency-Key is being stored: ask again"}
	}
	var hash, answer []byte
	err = tx.QueryRow(ctx, "SELECT hash, answer FROM oubli.idempotency_keys WHERE caller = $1 AND key = $2", key.Caller, name).
		Scan(&hash, &answer)
	if errors.Is(err, pgx.ErrNoRows) {
		return job, false, nil
	}
	if err != nil {
		return job, false, err
	}
	if !hmac.Equal(hash, digest) {
		return job, false, &jobs.Error{Kind: jobs.Invalid, Code: "idempotency_key_reused",
			Msg: "this Idempotency-Key belongs to another request: use a new one"}
	}
	var stored storedAnswer
	err = json.Unmarshal(answer, &stored)
	stored.Job.Merge = stored.Merge
	return stored.Job, true, err
}

// storedAnswer is a job as it was answered, with what its JSON leaves out.
type storedAnswer struct {
	jobs.Job
	Merge *jobs.MergeTerms `json:"merge,omitempty"`
}

// digests returns what is stored of a key and of its request. The request's digest
// depends on the key, which is not stored. Otherwise a reader of the table could
// try requests until one has the stored digest, and so learn which client was
// merged into which other.
func digests(key jobs.IdempotencyKey) (name string, digest []byte) {
	sum := sha256.Sum256([]byte(key.Caller + "\x01" + key.Key))
	mac := hmac.New(sha256.New, []byte(key.Key))
	mac.Write(key.Hash[:])
	return hex.EncodeToString(sum[:]), mac.Sum(nil)
}

func keepAnswer(ctx context.Context, tx pgx.Tx, key jobs.IdempotencyKey, job jobs.Job) error {
	answer, err := json.Marshal(storedAnswer{job, job.Merge})
	if err != nil {
		return err
	}
	name, digest := digests(key)
	_, err = tx.Exec(ctx, "INSERT INTO oubli.idempotency_keys (caller, key, hash, job_id, answer) VALUES ($1, $2, $3, $4, $5)",
		key.Caller, name, digest, job.ID, answer)
	return err
}
