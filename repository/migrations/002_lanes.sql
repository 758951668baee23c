-- Whose anonymous profiles the lane of a running task is one of: the tenant's or,
-- in a database of one tenant, '-', whatever tenant ids tokens name.
ALTER TABLE oubli.tasks ADD profile_owner text;
DROP INDEX oubli.tasks_lane;
-- Two running batches that use the same profiles never share a lane.
CREATE UNIQUE INDEX tasks_lane ON oubli.tasks (profile_owner, lane) WHERE state = 'running' AND lane IS NOT NULL;
