package repository

import (
	"cmp"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
)

// withProfiles writes a chunk with the tenant's anonymous profiles as they are.
// When they do not suffice, it asks for more by its error, and the chunk is
// begun again.
func (s *Store) withProfiles(ctx context.Context, conn *pgx.Conn, ch chunk, v *verdict) (map[string]int64, error) {
	if ch.usesSharedProfile && len(v.erase) > 0 && v.profiles[1] == "" {
		return nil, &needProfiles{[]int{1}}
	}
	own := s.laneOf(ch.claim)
	lane := own.keys(v.profiles)
	if len(lane) == 0 && len(v.erase) > 0 && ch.claim.Terms.Merge == nil {
		// Count before a lane's first chunk: a chunk that finds too few profiles is
		// rolled back.
		n, err := profilesWanted(ctx, conn, ch.plan, profileCountParams{ch.clients(v.erase), lane})
		if err != nil || n > 0 {
			return nil, cmp.Or[error](err, &needProfiles{own.more(v.profiles)})
		}
	}
	rows, err := runPlan(ctx, conn, ch.plan, ch.changes(v, v.profiles[1], lane))
	if pgfault.Is(err, needProfilesState) {
		return nil, &needProfiles{own.more(v.profiles)}
	}
	return rows, err
}

// changes are statements that write, with their parameters.
type changes struct {
	statements []plan.Statement
	params     params
	clients    int // whose rows are written
	proof      plan.Proof
	updated    map[string]int64 // rows that the statements have updated, by table
}

// changes are what the chunk writes for the clients that the verdict erases,
// with these profiles.
func (ch chunk) changes(v *verdict, profile string, profiles []string) changes {
	w := ch.writeParams(v.erase, profile, profiles, v.owned)
	c := changes{statements: ch.writes, params: w, clients: len(v.erase), proof: ch.proof}
	if m := ch.claim.Terms.Merge; m != nil {
		c.params = mergeParams[writeParams]{w, m.Target}
	}
	return c
}

// runPlan writes, and proves what it wrote: with all deferred triggers fired, it
// erases what the application's triggers have written meanwhile, and looks. It
// counts the rows of each table.
//
// Last it checks that the schema still is the one that the plan is for. From then
// on that cannot change before the commit: nobody can add a column, a trigger or
// a foreign key to a table that was written to, nor a column to one that was
// read. Without clients it only checks the schema: the verdict on those left out
// was also made by the plan.
//
// Without triggers and rules all of this is one pipelined round trip.
func runPlan(ctx context.Context, conn *pgx.Conn, p *plan.Plan, c changes) (map[string]int64, error) {
	if c.clients == 0 {
		c.statements, c.proof = nil, plan.Proof{}
	}
	rows := map[string]int64{}
	c.updated = map[string]int64{}
	if !c.proof.Needed() {
		return rows, write(ctx, conn, p, c, rows)
	}
	pr, err := startProof(ctx, conn, c)
	if err == nil {
		err = write(ctx, conn, p, c, rows)
	}
	if err == nil && pr.Full == nil {
		pr.countWritten(rows)
		err = pr.absorb(ctx, conn, c, rows)
	}
	if err == nil {
		err = pr.probe(ctx, conn, c, rows)
	}
	return rows, err
}

// write runs the statements in one pipelined round trip, with what follows them:
// deferred triggers, and the look at the schema. It adds the rows of each table to
// rows.
func write(ctx context.Context, conn *pgx.Conn, p *plan.Plan, c changes, rows map[string]int64) error {
	b := &pgx.Batch{}
	if err := queue(b, c.params, c.statements...); err != nil {
		return err
	}
	b.Queue("set constraints all immediate")
	if err := queue(b, c.params, p.LockTables); err != nil {
		return err
	}
	b.Queue(schema.FingerprintSQL)
	results := conn.SendBatch(ctx, b)
	for _, st := range c.statements {
		tag, err := results.Exec()
		if err == nil {
			err = checkCount(st, tag.RowsAffected(), c.clients)
		}
		if err != nil {
			return errors.Join(err, results.Close())
		}
		if !st.FindsNone && !st.Control {
			rows[st.Table] += tag.RowsAffected()
			if tag.Update() {
				c.updated[st.Table] += tag.RowsAffected()
			}
		}
	}
	for range 2 { // deferred triggers, LockTables
		if _, err := results.Exec(); err != nil {
			return errors.Join(err, results.Close())
		}
	}
	var live string
	if err := results.QueryRow().Scan(&live); err != nil {
		return errors.Join(err, results.Close())
	}
	if live != p.Fingerprint {
		return errors.Join(errStalePlan, results.Close())
	}
	return results.Close()
}

// checkCount refuses a statement that left rows behind, or that did not change
// exactly one row for each client.
func checkCount(st plan.Statement, rows int64, clients int) error {
	switch {
	case st.FindsNone && rows > 0:
		return notErased(st.Place)
	case st.ClientRows && rows != int64(clients):
		return notErased(st.Place)
	}
	return nil
}

// clients are the parameters of statements that only name clients.
func (ch chunk) clients(keys []string) clientParams {
	return forClients(ch.plan, ch.claim.TenantID, keys).of(ch.claim.JobID)
}

func (ch chunk) retention() retention { return retention{ch.plan.Map, ch.claim.Terms.Law} }

func (ch chunk) judgeParams() judgeParams {
	return judgeParams{ch.clients(ch.keys), ch.claim.Terms, ch.retention()}
}

func (ch chunk) writeParams(keys []string, profile string, profiles []string, owned map[string][]string) writeParams {
	return writeParams{clientParams: ch.clients(keys), labels: labels{ch.plan.Map, ch.claim.Terms.Locale}, retention: ch.retention(),
		profile: profile, profiles: profiles, owned: owned}
}
