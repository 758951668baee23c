-- When the keys of a job's clients were taken out, because keys are personal here.
ALTER TABLE oubli.jobs ADD keys_emptied_at timestamptz;
