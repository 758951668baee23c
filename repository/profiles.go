package repository

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// needProfilesState is the SQLSTATE of oubli.need_profiles().
const needProfilesState = "OB001"

// Slot 1 is the tenant's shared anonymous profile. Where a unique constraint
// keeps rows apart, lane l of n takes slots l, l+n, l+2n …, so that batches
// side by side never meet on one unique key.

// slot is the n-th slot of a lane, from 0. A merge and a second look have the
// tenant to themselves and take them all.
func (s *Store) slot(lane, n int) int {
	if lane == 0 {
		return 1 + n
	}
	return lane + n*s.opts.Lanes
}

// lane lists the keys of the profiles that a lane owns, by slot, up to the
// first that is missing.
func (s *Store) lane(profiles map[int]string, lane int) []string {
	keys := []string{}
	for profiles[s.slot(lane, len(keys))] != "" {
		keys = append(keys, profiles[s.slot(lane, len(keys))])
	}
	return keys
}

// moreSlots are the slots to fill when a lane's first n did not suffice: a
// quarter more, so that few rounds are needed and few profiles stay unused.
func (s *Store) moreSlots(n, lane int) []int {
	slots := make([]int, 0, 1+n/4)
	for i := range 1 + n/4 {
		slots = append(slots, s.slot(lane, n+i))
	}
	return slots
}

// profilesWanted is how many profiles of their lane some clients need.
func profilesWanted(ctx context.Context, db querier, p *plan.Plan, params profileCountParams) (int, error) {
	most := 0
	for _, st := range p.CountProfiles {
		args, err := bind(params, st)
		if err != nil {
			return 0, err
		}
		var n int
		if err := db.QueryRow(ctx, st.SQL, args...).Scan(&n); err != nil {
			return 0, err
		}
		most = max(most, n)
	}
	return most, nil
}

// makeProfiles inserts anonymous profiles and records them in one transaction:
// those asked for, and as many as the rest of the batch will need. A profile
// that the application has deleted or edited is made anew.
func (s *Store) makeProfiles(ctx context.Context, p *plan.Plan, c *jobs.Claim, slots []int) error {
	tenant := profileOwner(p.Map, c.TenantID)
	return s.tx(ctx, "make anonymous profile", func(tx pgx.Tx) error {
		// Two batches of one tenant may need the same profile at the same time.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('oubli:profiles:' || $1::text, 0))", tenant); err != nil {
			return err
		}
		live, err := liveProfiles(ctx, tx, p, c.TenantID)
		if err != nil {
			return err
		}
		lane := s.lane(live, c.Lane)
		wanted := 0
		if c.Terms.Merge == nil {
			if wanted, err = profilesWanted(ctx, tx, p, profileCountParams{forClients(p, c.TenantID, c.Keys[c.Position:]), lane}); err != nil {
				return err
			}
		}
		for i := len(lane); i < wanted; i++ {
			slots = append(slots, s.slot(c.Lane, i))
		}
		for _, slot := range slots {
			if live[slot] != "" {
				continue
			}
			if live[slot], err = s.newProfile(ctx, tx, p, c, slot); err != nil {
				return err
			}
		}
		return nil
	})
}

// newProfile inserts the profile of a slot and records it, with what its row
// holds, in the same transaction. The record of the profile that had the slot
// stays: rows that are retained on it are still swept, and its key can never be
// erased as a client's.
func (s *Store) newProfile(ctx context.Context, tx pgx.Tx, p *plan.Plan, c *jobs.Claim, slot int) (key string, err error) {
	tenant := profileOwner(p.Map, c.TenantID)
	var replaced int
	err = tx.QueryRow(ctx, `WITH replaced AS (
		  UPDATE oubli.anonymous_profiles SET replaced_at = now() WHERE tenant_id = $1 AND slot = $2 AND replaced_at IS NULL RETURNING 1)
		SELECT (SELECT count(*) FROM replaced) + (
		  SELECT count(*) FROM oubli.anonymous_profiles WHERE tenant_id = $1 AND slot = $2 AND replaced_at IS NOT NULL)`,
		tenant, slot).Scan(&replaced)
	if err != nil {
		return "", err
	}
	params := forProfile(p, c, slot)
	// The row of an edited profile may still hold what :slot made unique.
	params.slot += replacedSlots * min(replaced, replacedSlots)
	key, written, err := insertProfile(ctx, tx, p, params)
	if err == nil {
		_, err = tx.Exec(ctx, "INSERT INTO oubli.anonymous_profiles (tenant_id, slot, client_key, written) VALUES ($1, $2, $3, $4)",
			tenant, slot, key, written)
	}
	return key, err
}

// replacedSlots is how far apart the values of :slot are for the profiles that
// have had one slot after another. It is more than there are slots.
const replacedSlots = 40_000

// profileOwner is the tenant id under which profiles are recorded. In a database
// of one tenant it is "-", whatever tenant id a token names.
func profileOwner(m *erasuremap.Map, tenant string) string {
	if m.Tenant == nil {
		return "-"
	}
	return tenant
}

// sharedOwner is the profile owner of every task when all tenants share profiles
// and therefore lanes; nil when each tenant has its own.
func (s *Store) sharedOwner() *string {
	m := s.erasureMap()
	if m.Tenant != nil {
		return nil
	}
	owner := profileOwner(m, "")
	return &owner
}

// insertProfile inserts one anonymous profile and gives its key, and as JSON what
// client.anonymous wrote.
func insertProfile(ctx context.Context, db querier, p *plan.Plan, params profileParams) (key string, written []byte, err error) {
	args, err := bind(params, p.NewProfile)
	if err != nil {
		return "", nil, err
	}
	err = db.QueryRow(ctx, p.NewProfile.SQL, args...).Scan(&key, &written)
	return key, written, err
}

// allProfiles lists the keys of all profiles that a tenant has had: rows may be
// retained on one that the application has deleted or edited.
func allProfiles(ctx context.Context, db rowsQuerier, p *plan.Plan, tenant string) ([]string, error) {
	rows, err := db.Query(ctx, "SELECT DISTINCT client_key FROM oubli.anonymous_profiles WHERE tenant_id = $1", profileOwner(p.Map, tenant))
	if err != nil {
		return nil, err
	}
	return pgx.AppendRows([]string{}, rows, pgx.RowTo[string])
}

// rowsQuerier is a pool or a transaction.
type rowsQuerier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func liveProfiles(ctx context.Context, db rowsQuerier, p *plan.Plan, tenant string) (map[int]string, error) {
	args, err := bind(forTenant(p, tenant), p.LiveProfiles)
	if err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, p.LiveProfiles.SQL, args...)
	if err != nil {
		return nil, err
	}
	return profilesBySlot(rows)
}

func profilesBySlot(rows pgx.Rows) (map[int]string, error) {
	live := map[int]string{}
	var slot int
	var key string
	_, err := pgx.ForEachRow(rows, []any{&slot, &key}, func() error {
		live[slot] = key
		return nil
	})
	return live, err
}

// profileTrouble blames the map, not a client, when an anonymous profile is
// refused by a constraint.
func profileTrouble(err error) error {
	e, ok := errors.AsType[*jobs.Error](err)
	if ok && (e.Kind == jobs.Invalid || e.Code == jobs.CodeSchema) {
		return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeOperator, Msg: "the map's client.anonymous cannot be inserted", Err: e.Err}
	}
	return err
}
