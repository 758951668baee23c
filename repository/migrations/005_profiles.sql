-- What the map's client.anonymous wrote into the profile's row. A row that holds
-- something else by now was edited by somebody: nothing is put on it any more.
ALTER TABLE oubli.anonymous_profiles ADD written jsonb NOT NULL DEFAULT '{}';
-- Since when another profile has the slot, because the application deleted or
-- edited this one. What is retained on it is still swept.
ALTER TABLE oubli.anonymous_profiles ADD replaced_at timestamptz;
ALTER TABLE oubli.anonymous_profiles DROP CONSTRAINT anonymous_profiles_pkey;
CREATE UNIQUE INDEX anonymous_profiles_slot ON oubli.anonymous_profiles (tenant_id, slot) WHERE replaced_at IS NULL;
CREATE INDEX anonymous_profiles_key ON oubli.anonymous_profiles (tenant_id, client_key);
