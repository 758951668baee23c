package repository

import (
	"context"
	"maps"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/plan"
)

// rehearse runs the statements of a dry run for real and takes them back. The
// locks and the guards are those of a real chunk; profiles that the tenant
// does not have exist only until then.
func (s *Store) rehearse(ctx context.Context, conn *pgx.Conn, p *plan.Plan, v *values, d *verdict) (map[string]int64, error) {
	if len(v.keys) == 0 {
		return erase(ctx, conn, p, v)
	}
	lane := v.claim.Lane
	var wanted []int
	if v.shared {
		wanted = []int{1}
	}
	for ; ; wanted = append(wanted, s.moreSlots(len(v.profiles), lane)...) {
		if _, err := conn.Exec(ctx, "savepoint rehearsal"); err != nil {
			return nil, err
		}
		profiles := maps.Clone(d.profiles)
		for _, slot := range wanted {
			if profiles[slot] != "" {
				continue
			}
			key, err := insertProfile(ctx, conn, p, v, slot)
			if err != nil {
				return nil, profileTrouble(fault("rehearse anonymous profile", err))
			}
			profiles[slot] = key
		}
		v.profile, v.profiles = profiles[1], s.lane(profiles, lane)
		rows, err := erase(ctx, conn, p, v)
		if err != nil && !is(err, needProfilesState) {
			return nil, err
		}
		if err == nil { // what is only checked at commit would never be checked
			if _, err := conn.Exec(ctx, "set constraints all immediate"); err != nil {
				return nil, err
			}
		}
		if _, undone := conn.Exec(ctx, "rollback to savepoint rehearsal"); undone != nil || err == nil {
			return rows, undone
		}
	}
}
