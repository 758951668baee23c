-- Where a chunk found something of a client that it was to erase: names of
-- table, column and triggers.
ALTER TABLE oubli.exceptions ADD detail text NOT NULL DEFAULT '';
