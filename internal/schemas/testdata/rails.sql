-- A gym's application in the style of Ruby on Rails: uuid keys, rows that are
-- only marked as deleted, polymorphic associations, a join table without a key.

CREATE TABLE schema_migrations (version varchar PRIMARY KEY);
CREATE TABLE ar_internal_metadata (key varchar PRIMARY KEY, value varchar, created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL);

CREATE TABLE accounts (
	id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name           varchar NOT NULL,
	country_code   varchar(2) NOT NULL,
	default_locale varchar NOT NULL DEFAULT 'en',
	created_at     timestamp(6) NOT NULL,
	updated_at     timestamp(6) NOT NULL
);

CREATE TABLE users (
	id                   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	account_id           uuid NOT NULL REFERENCES accounts,
	email                varchar NOT NULL UNIQUE,
	encrypted_password   varchar NOT NULL,
	current_sign_in_ip   varchar,
	created_at           timestamp(6) NOT NULL,
	updated_at           timestamp(6) NOT NULL
);

CREATE TABLE members (
	id                      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	account_id              uuid NOT NULL REFERENCES accounts,
	first_name              varchar NOT NULL,
	last_name               varchar NOT NULL,
	email                   varchar NOT NULL,
	phone                   varchar,
	date_of_birth           date,
	emergency_contact_name  varchar,
	preferences             jsonb NOT NULL DEFAULT '{}',
	state                   varchar NOT NULL,
	referred_by_member_id   uuid REFERENCES members,
	sign_in_count           integer NOT NULL,
	deleted_at              timestamp(6),
	created_at              timestamp(6) NOT NULL,
	updated_at              timestamp(6) NOT NULL
);
CREATE UNIQUE INDEX index_members_on_account_id_and_email ON members (account_id, lower(email)) WHERE deleted_at IS NULL;
CREATE INDEX index_members_on_referred_by_member_id ON members (referred_by_member_id);

CREATE TABLE tags (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), account_id uuid NOT NULL REFERENCES accounts, name varchar NOT NULL);
CREATE TABLE members_tags (member_id uuid NOT NULL REFERENCES members, tag_id uuid NOT NULL REFERENCES tags);
CREATE UNIQUE INDEX index_members_tags ON members_tags (member_id, tag_id);

CREATE TABLE lessons (
	id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	account_id    uuid NOT NULL REFERENCES accounts,
	instructor_id uuid NOT NULL REFERENCES users,
	title         varchar NOT NULL,
	starts_at     timestamp(6) NOT NULL,
	seats         integer NOT NULL
);

CREATE TABLE bookings (
	id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	lesson_id     uuid NOT NULL REFERENCES lessons,
	member_id     uuid NOT NULL REFERENCES members,
	starts_at     timestamp(6) NOT NULL,
	state         varchar NOT NULL,
	price_cents   integer NOT NULL,
	notes         text,
	deleted_at    timestamp(6),
	created_at    timestamp(6) NOT NULL,
	updated_at    timestamp(6) NOT NULL
);
CREATE UNIQUE INDEX index_bookings_on_lesson_and_member ON bookings (lesson_id, member_id) WHERE deleted_at IS NULL;
CREATE INDEX index_bookings_on_member_id ON bookings (member_id);

CREATE TABLE payments (
	id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	member_id       uuid NOT NULL REFERENCES members,
	booking_id      uuid REFERENCES bookings,
	amount_cents    integer NOT NULL,
	currency        varchar NOT NULL,
	receipt_email   varchar,
	gateway_payload jsonb,
	created_at      timestamp(6) NOT NULL
);
CREATE INDEX index_payments_on_member_id ON payments (member_id);
CREATE INDEX index_payments_on_booking_id ON payments (booking_id);

CREATE TABLE devices (
	id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	member_id  uuid NOT NULL REFERENCES members ON DELETE CASCADE,
	push_token varchar NOT NULL,
	user_agent varchar
);
CREATE INDEX index_devices_on_member_id ON devices (member_id);

-- Polymorphic: of a member, of a booking, of a lesson. A gem writes the id as text.
CREATE TABLE audits (
	id              bigserial PRIMARY KEY,
	auditable_type  varchar NOT NULL,
	auditable_id    varchar NOT NULL,
	user_id         uuid REFERENCES users,
	action          varchar NOT NULL,
	audited_changes jsonb,
	remote_address  varchar,
	created_at      timestamp(6) NOT NULL
);
CREATE INDEX index_audits_on_auditable ON audits (auditable_id, auditable_type);

CREATE TABLE comments (
	id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	commentable_type varchar NOT NULL,
	commentable_id   uuid NOT NULL,
	user_id          uuid NOT NULL REFERENCES users,
	body             text NOT NULL,
	created_at       timestamp(6) NOT NULL
);
CREATE INDEX index_comments_on_commentable ON comments (commentable_id, commentable_type);
