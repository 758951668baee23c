-- How often clients of a batch were put behind the others since one was last
-- erased, skipped or not found, and since when. Workers that restart go on
-- counting.
ALTER TABLE oubli.tasks ADD deferrals integer NOT NULL DEFAULT 0;
ALTER TABLE oubli.tasks ADD deferred_since timestamptz;
