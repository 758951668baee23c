-- A platform in the style of Citus: every key begins with the tenant, numbers
-- count from one in each tenant, and every foreign key carries the tenant along.

CREATE TABLE companies (
	id           bigint PRIMARY KEY,
	name         text NOT NULL,
	country_code text NOT NULL,
	locale       text NOT NULL
);

CREATE TABLE customers (
	company_id  bigint NOT NULL REFERENCES companies,
	id          bigint NOT NULL DEFAULT floor(random() * 1e15)::bigint,
	full_name   text NOT NULL,
	email       text,
	mobile      text,
	born_on     date,
	notes       text,
	created_at  timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (company_id, id),
	UNIQUE (company_id, email)
);

CREATE TABLE resources (company_id bigint NOT NULL REFERENCES companies, id bigint NOT NULL, label text NOT NULL, PRIMARY KEY (company_id, id));

CREATE TABLE reservations (
	company_id   bigint NOT NULL,
	id           bigint NOT NULL,
	customer_id  bigint NOT NULL,
	resource_id  bigint NOT NULL,
	starts_at    timestamptz NOT NULL,
	price_cents  bigint NOT NULL,
	guest_name   text NOT NULL,
	comment      text,
	PRIMARY KEY (company_id, id),
	UNIQUE (company_id, resource_id, starts_at, customer_id),
	FOREIGN KEY (company_id, customer_id) REFERENCES customers (company_id, id),
	FOREIGN KEY (company_id, resource_id) REFERENCES resources (company_id, id)
);
CREATE INDEX ON reservations (company_id, customer_id);

CREATE TABLE reservation_extras (
	company_id     bigint NOT NULL,
	id             bigint NOT NULL,
	reservation_id bigint NOT NULL,
	wish           text,
	price_cents    bigint NOT NULL,
	PRIMARY KEY (company_id, id),
	FOREIGN KEY (company_id, reservation_id) REFERENCES reservations (company_id, id)
);
CREATE INDEX ON reservation_extras (company_id, reservation_id);

CREATE TABLE customer_notes (
	company_id  bigint NOT NULL,
	id          bigint NOT NULL,
	customer_id bigint NOT NULL,
	body        text NOT NULL,
	PRIMARY KEY (company_id, id),
	FOREIGN KEY (company_id, customer_id) REFERENCES customers (company_id, id)
);
CREATE INDEX ON customer_notes (company_id, customer_id);

CREATE TABLE customer_note_files (
	company_id  bigint NOT NULL,
	id          bigint NOT NULL,
	note_id     bigint NOT NULL,
	file_name   text NOT NULL,
	PRIMARY KEY (company_id, id),
	FOREIGN KEY (company_id, note_id) REFERENCES customer_notes (company_id, id)
);
CREATE INDEX ON customer_note_files (company_id, note_id);
