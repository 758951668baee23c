package repository

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// needProfilesState is the SQLSTATE of oubli.need_profiles().
const needProfilesState = "OB001"

// Slot 1 is the tenant's shared anonymous profile. Where a unique constraint
// keeps rows apart, lane l of n takes slots l, l+n, l+2n …, so that batches
// side by side never meet on one unique key.

// lane is the share of a tenant's profiles that one task may use. The zero lane
// are all of them: a merge and a second look have the tenant to themselves.
type lane struct{ number, of int }

// laneOf is the lane of a claim.
func (s *Store) laneOf(c *jobs.Claim) lane {
	if c.Lane == 0 {
		return lane{}
	}
	return lane{c.Lane, cmp.Or(c.Lanes, s.opts.Lanes)}
}

// slot is the n-th slot of the lane, from 0.
func (l lane) slot(n int) int {
	if l.number == 0 {
		return 1 + n
	}
	return l.number + n*l.of
}

// keys lists the keys of the profiles in the lane, by slot.
func (l lane) keys(profiles map[int]string) []string {
	keys := []string{}
	for _, slot := range slices.Sorted(maps.Keys(profiles)) {
		if profiles[slot] != "" && (l.number == 0 || slot%l.of == l.number%l.of) {
			keys = append(keys, profiles[slot])
		}
	}
	return keys
}

// missing are the lane's first n slots without a profile.
func (l lane) missing(profiles map[int]string, n int) []int {
	slots := make([]int, 0, max(n, 0))
	for i := 0; len(slots) < n; i++ {
		if profiles[l.slot(i)] == "" {
			slots = append(slots, l.slot(i))
		}
	}
	return slots
}

// more are the slots to fill when the lane's profiles did not suffice: a quarter
// more, so that few rounds are needed and few profiles stay unused.
func (l lane) more(profiles map[int]string) []int {
	return l.missing(profiles, 1+len(l.keys(profiles))/4)
}

// profilesLock is the key of the advisory lock under which a tenant's profiles are
// made and removed.
const profilesLock = "hashtextextended('oubli:profiles:' || $1::text, 0)"

// profilesWanted is how many profiles of their lane some clients need.
func profilesWanted(ctx context.Context, db querier, p *plan.Plan, params profileCountParams) (int, error) {
	n, _, err := mostProfiles(ctx, db, p.CountProfiles, params)
	return n, err
}

// mostProfiles runs statements that count profiles, and returns the largest count
// with its statement.
func mostProfiles(ctx context.Context, db querier, counts []plan.Statement, params params) (most int, by plan.Statement, err error) {
	for _, st := range counts {
		args, err := bind(params, st)
		if err != nil {
			return 0, by, err
		}
		var n int
		if err := db.QueryRow(ctx, st.SQL, args...).Scan(&n); err != nil {
			return 0, by, err
		}
		if n > most {
			most, by = n, st
		}
	}
	return most, by, nil
}

// makeProfiles inserts anonymous profiles and records them in one transaction:
// those asked for, and as many as the rest of the batch will need. A profile
// that the application has deleted or edited is made anew.
func (s *Store) makeProfiles(ctx context.Context, p *plan.Plan, c *jobs.Claim, slots []int) error {
	tenant := p.Map.ProfileOwner(c.TenantID)
	var tooMany *profileLimit
	err := s.tx(ctx, "make anonymous profile", func(tx pgx.Tx) error {
		// Two batches of one tenant may need the same profile at the same time.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock("+profilesLock+")", tenant); err != nil {
			return err
		}
		if err := adoptProfiles(ctx, tx, p, c); err != nil {
			return err
		}
		live, err := liveProfiles(ctx, tx, p, c.TenantID)
		if err != nil {
			return err
		}
		lane := s.laneOf(c)
		keys := lane.keys(live)
		var wanted int
		var by plan.Statement
		if c.Terms.Merge == nil {
			count := profileCountParams{forClients(p, c.TenantID, c.Keys[c.Position:]), keys}
			if wanted, by, err = mostProfiles(ctx, tx, p.CountProfiles, count); err != nil {
				return err
			}
		}
		slots = append(slots, lane.missing(live, wanted-len(keys))...)
		slots = slices.DeleteFunc(slots, func(slot int) bool { return live[slot] != "" })
		slices.Sort(slots)
		slots = slices.Compact(slots)
		if room := p.Map.Profiles - len(live); len(slots) > 0 && room <= 0 {
			tooMany = &profileLimit{by, max(wanted, len(live)+1)}
			return tooMany
		} else if len(slots) > room {
			slots = slots[:room]
		}
		for _, slot := range slots {
			if live[slot], err = s.newProfile(ctx, tx, p, c, slot); err != nil {
				return err
			}
		}
		return nil
	})
	if tooMany != nil {
		return s.explainLimit(ctx, p, tooMany)
	}
	return err
}

// newProfile inserts the profile of a slot and records it, with what its row
// holds, in the same transaction. The record of the profile that had the slot
// stays: rows that are retained on it are still swept, and its key can never be
// erased as a client's.
func (s *Store) newProfile(ctx context.Context, tx pgx.Tx, p *plan.Plan, c *jobs.Claim, slot int) (key string, err error) {
	tenant := p.Map.ProfileOwner(c.TenantID)
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

// sharedOwner is the profile owner of every task when all tenants share profiles
// and therefore lanes; nil when each tenant has its own.
func (s *Store) sharedOwner() *string {
	m := s.erasureMap()
	if m.Tenant != nil {
		return nil
	}
	owner := m.ProfileOwner("")
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
	rows, err := db.Query(ctx, "SELECT DISTINCT client_key FROM oubli.anonymous_profiles WHERE tenant_id = $1", p.Map.ProfileOwner(tenant))
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
