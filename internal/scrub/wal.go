package scrub

import (
	"context"
	"fmt"
	"strings"

	"github.com/oubli/oubli/internal/pgfault"
)

// overwriteWAL has PostgreSQL overwrite or remove every segment of the write-ahead
// log that was written before the tables were rewritten. PostgreSQL renames a
// segment that it no longer needs, to reuse it later, and does not clear it. So
// overwriteWAL writes until all renamed segments are reused.
func (s *Scrubber) overwriteWAL(ctx context.Context, o Options, done *Result) error {
	missing, err := s.walRights(ctx)
	if err != nil {
		return err
	}
	const what = "write-ahead log"
	if len(missing) > 0 {
		done.Obstacles = append(done.Obstacles, Obstacle{what, "rights are missing: as a superuser, run " +
			strings.Join(missing, "; ") + "; and then oubli scrub --rewrite again"})
		return nil
	}
	o.Progress(Progress{What: what})
	// Switch to a new segment before the checkpoint, so that the segment written
	// until now is no longer needed after it.
	first, err := s.nextSegment(ctx)
	if err != nil {
		return err
	}
	if _, err := s.conn.Exec(ctx, "CHECKPOINT"); err != nil {
		return pgfault.Wrap("checkpoint", err)
	}
	var last string
	var total int64
	const segments = "SELECT coalesce(max(name), ''), count(*) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$' AND name "
	if err := s.conn.QueryRow(ctx, segments+">= $1", first).Scan(&last, &total); err != nil {
		return pgfault.Wrap("read the write-ahead log's directory", err)
	}
	for now, n := first, int64(0); now <= last; n++ {
		o.Progress(Progress{What: what, Done: n, Total: total})
		if now, err = s.nextSegment(ctx); err != nil {
			return err
		}
	}
	if _, err := s.conn.Exec(ctx, "CHECKPOINT"); err != nil {
		return pgfault.Wrap("checkpoint", err)
	}
	var kept int64
	if err := s.conn.QueryRow(ctx, segments+"< $1", first).Scan(nil, &kept); err != nil {
		return pgfault.Wrap("read the write-ahead log's directory", err)
	}
	if kept > 0 {
		done.Obstacles = append(done.Obstacles, Obstacle{what, fmt.Sprintf(
			"%d older segments are kept, by a replication slot, a standby, wal_keep_size or an archive that lags: "+
				"see pg_replication_slots and pg_stat_archiver, and run oubli scrub --rewrite again", kept)})
		return nil
	}
	o.Progress(Progress{What: what, Ended: true, Note: fmt.Sprintf("%d segments overwritten or removed", total)})
	return nil
}

// nextSegment ends the current segment, so that PostgreSQL fills the rest of it
// with zeros, and returns the name of the next.
func (s *Scrubber) nextSegment(ctx context.Context) (name string, err error) {
	// PostgreSQL does not switch segments while the current one is empty.
	if _, err := s.conn.Exec(ctx, "SELECT pg_logical_emit_message(false, 'oubli', '')"); err != nil {
		return "", pgfault.Wrap("write to the write-ahead log", err)
	}
	if _, err := s.conn.Exec(ctx, "SELECT pg_switch_wal()"); err != nil {
		return "", pgfault.Wrap("switch the write-ahead log", err)
	}
	if _, err := s.conn.Exec(ctx, "SELECT pg_logical_emit_message(true, 'oubli', '')"); err != nil {
		return "", pgfault.Wrap("write to the write-ahead log", err)
	}
	err = s.conn.QueryRow(ctx, "SELECT pg_walfile_name(pg_current_wal_insert_lsn())").Scan(&name)
	return name, pgfault.Wrap("read the write-ahead log's directory", err)
}

// walRights lists the statements that grant the missing rights.
func (s *Scrubber) walRights(ctx context.Context) ([]string, error) {
	var super, checkpoint, known, swtch, list bool
	var role string
	err := s.conn.QueryRow(ctx, `
		SELECT quote_ident(current_user), rolsuper,
		  coalesce((SELECT pg_has_role(oid, 'USAGE') FROM pg_roles WHERE rolname = 'pg_checkpoint'), false),
		  EXISTS (SELECT FROM pg_roles WHERE rolname = 'pg_checkpoint'),
		  has_function_privilege('pg_switch_wal()', 'EXECUTE'), has_function_privilege('pg_ls_waldir()', 'EXECUTE')
		FROM pg_roles WHERE rolname = current_user`).Scan(&role, &super, &checkpoint, &known, &swtch, &list)
	if err != nil || super {
		return nil, pgfault.Wrap("read the role's rights", err)
	}
	var missing []string
	switch {
	case !checkpoint && known:
		missing = append(missing, "GRANT pg_checkpoint TO "+role)
	case !checkpoint: // before PostgreSQL 15
		missing = append(missing, "oubli scrub itself, because no other role may run CHECKPOINT here")
	}
	if !list {
		missing = append(missing, "GRANT pg_monitor TO "+role)
	}
	if !swtch {
		missing = append(missing, "GRANT EXECUTE ON FUNCTION pg_switch_wal() TO "+role)
	}
	return missing, nil
}
