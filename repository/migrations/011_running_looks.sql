-- When rows written about clients that a running job has erased are looked for
-- next.
ALTER TABLE oubli.jobs ADD next_look_at timestamptz;
