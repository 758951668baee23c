-- What the data of all four schemas is made with. The functions are temporary:
-- they leave nothing in the schema that is to be looked at.

-- The marker of the client with this number: every text about the client holds it.
CREATE FUNCTION pg_temp.mark(n bigint) RETURNS text LANGUAGE sql IMMUTABLE
	AS $$ SELECT 'Zq' || lpad(n::text, 5, '0') || 'x' $$;

-- A number from 0 to below n that looks random and is always the same.
CREATE FUNCTION pg_temp.pick(n bigint, VARIADIC seed text[]) RETURNS bigint LANGUAGE sql IMMUTABLE
	AS $$ SELECT abs(hashtextextended(array_to_string(seed, '/'), 20260101)) % n $$;

-- A uuid that is always the same for the same words.
CREATE FUNCTION pg_temp.uuid_of(VARIADIC seed text[]) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT md5(array_to_string(seed, '/'))::uuid $$;
