package repository

import (
	"context"
	"maps"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
)

// dryRun runs the statements of a chunk and rolls them back to a savepoint. The
// locks and the guards are those of a real chunk. Profiles that the tenant lacks
// are inserted and rolled back as well.
func (s *Store) dryRun(ctx context.Context, conn *pgx.Conn, ch chunk, v *verdict) (map[string]int64, error) {
	if len(v.erase) == 0 {
		return runPlan(ctx, conn, ch.plan, ch.changes(v, "", nil))
	}
	own := s.laneOf(ch.claim)
	var profiles map[int]string // by slot
	var wanted []int
	if ch.usesSharedProfile {
		wanted = []int{1}
	}
	for ; ; wanted = append(wanted, own.more(profiles)...) {
		if _, err := conn.Exec(ctx, "savepoint dry_run"); err != nil {
			return nil, err
		}
		profiles = maps.Clone(v.profiles)
		for _, slot := range wanted {
			if profiles[slot] != "" {
				continue
			}
			key, _, err := insertProfile(ctx, conn, ch.plan, forProfile(ch.plan, ch.claim, slot))
			if err != nil {
				return nil, profileTrouble(pgfault.Wrap("try anonymous profile", err))
			}
			profiles[slot] = key
		}
		rows, err := runPlan(ctx, conn, ch.plan, ch.changes(v, profiles[1], own.keys(profiles)))
		if err != nil && !pgfault.Is(err, needProfilesState) {
			return nil, err
		}
		if _, undone := conn.Exec(ctx, "rollback to savepoint dry_run"); undone != nil || err == nil {
			return rows, undone
		}
	}
}
