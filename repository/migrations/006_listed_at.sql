-- When the list of a job's clients was made, if not with the job itself: by its
-- selection, or by the job that it repeats. A client who was created later is not
-- on the list, whatever key it has got.
ALTER TABLE oubli.jobs ADD listed_at timestamptz;
