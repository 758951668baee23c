-- When it was found that the job needs no more anonymous profiles than the map
-- allows.
ALTER TABLE oubli.jobs ADD profiles_counted_at timestamptz;
