INSERT INTO accounts SELECT pg_temp.uuid_of('account', a::text), 'Gym ' || a, (ARRAY['FR', 'DE', 'AT'])[a], (ARRAY['fr', 'de', 'de'])[a], now(), now()
FROM generate_series(1, 3) a;

INSERT INTO users SELECT pg_temp.uuid_of('user', u::text), pg_temp.uuid_of('account', (u % 3 + 1)::text), 'coach' || u || '@gym.example', 'x', '192.0.2.1', now(), now()
FROM generate_series(1, 6) u;

INSERT INTO members (id, account_id, first_name, last_name, email, phone, date_of_birth, emergency_contact_name, preferences, state, referred_by_member_id, sign_in_count, deleted_at, created_at, updated_at)
SELECT pg_temp.uuid_of('member', n::text), pg_temp.uuid_of('account', (n % 3 + 1)::text), 'Marie ' || pg_temp.mark(n), 'Dupont ' || pg_temp.mark(n),
	pg_temp.mark(n) || '@mail.example', '+33 1 ' || pg_temp.mark(n), date '1980-01-01' + n::int, 'Maman ' || pg_temp.mark(n),
	jsonb_build_object('newsletter', true, 'nickname', pg_temp.mark(n)), 'active',
	CASE WHEN n > 3 AND pg_temp.pick(4, 'ref', n::text) = 0 THEN pg_temp.uuid_of('member', (n - 3)::text) END, 3,
	CASE WHEN pg_temp.pick(10, 'gone', n::text) = 0 THEN now() END, now() - interval '3 years', now()
FROM generate_series(1, 90) n;

INSERT INTO tags SELECT pg_temp.uuid_of('tag', t::text), pg_temp.uuid_of('account', (t % 3 + 1)::text), 'Tag ' || t FROM generate_series(1, 9) t;
INSERT INTO members_tags SELECT pg_temp.uuid_of('member', n::text), pg_temp.uuid_of('tag', (n % 9 + 1)::text) FROM generate_series(1, 90) n;

INSERT INTO lessons SELECT pg_temp.uuid_of('lesson', l::text), pg_temp.uuid_of('account', (l % 3 + 1)::text), pg_temp.uuid_of('user', (l % 6 + 1)::text), 'Yoga ' || l, now() - l * interval '3 days', 8
FROM generate_series(1, 30) l;

-- Three members of one gym in every lesson, so that erased ones meet.
INSERT INTO bookings (id, lesson_id, member_id, starts_at, state, price_cents, notes, deleted_at, created_at, updated_at)
SELECT pg_temp.uuid_of('booking', n::text, k::text), pg_temp.uuid_of('lesson', (n % 3 + 3 * k)::text), pg_temp.uuid_of('member', n::text),
	now() - (n % 3 + 3 * k) * interval '3 days', 'attended', 1500, 'Says ' || pg_temp.mark(n), CASE WHEN k = 4 THEN now() END, now(), now()
FROM generate_series(1, 90) n, generate_series(1, 4) k WHERE n % 3 + 3 * k <= 30;

INSERT INTO payments SELECT pg_temp.uuid_of('payment', n::text, k::text), pg_temp.uuid_of('member', n::text), pg_temp.uuid_of('booking', n::text, k::text), 1500, 'EUR',
	pg_temp.mark(n) || '@mail.example', jsonb_build_object('id', 'ch_' || n, 'billing', jsonb_build_object('email', pg_temp.mark(n) || '@mail.example')), now()
FROM generate_series(1, 90) n, generate_series(1, 2) k;

INSERT INTO devices SELECT pg_temp.uuid_of('device', n::text), pg_temp.uuid_of('member', n::text), 'push-' || pg_temp.mark(n), 'Phone of ' || pg_temp.mark(n)
FROM generate_series(1, 90) n;

INSERT INTO audits (auditable_type, auditable_id, user_id, action, audited_changes, remote_address, created_at)
SELECT 'Member', pg_temp.uuid_of('member', n::text), pg_temp.uuid_of('user', '1'), 'update',
	jsonb_build_object('email', jsonb_build_array('old-' || pg_temp.mark(n), pg_temp.mark(n))), '192.0.2.7', now() FROM generate_series(1, 90) n
UNION ALL SELECT 'Booking', pg_temp.uuid_of('booking', n::text, '1'), NULL, 'create',
	jsonb_build_object('notes', 'Says ' || pg_temp.mark(n)), NULL, now() FROM generate_series(1, 90) n
UNION ALL SELECT 'Lesson', pg_temp.uuid_of('lesson', l::text), NULL, 'create', '{"title": "Yoga"}', NULL, now() FROM generate_series(1, 30) l;

INSERT INTO comments SELECT pg_temp.uuid_of('comment', 'm', n::text), 'Member', pg_temp.uuid_of('member', n::text), pg_temp.uuid_of('user', '1'), 'Knows ' || pg_temp.mark(n), now() FROM generate_series(1, 90) n
UNION ALL SELECT pg_temp.uuid_of('comment', 'b', n::text), 'Booking', pg_temp.uuid_of('booking', n::text, '1'), pg_temp.uuid_of('user', '2'), pg_temp.mark(n) || ' was late', now() FROM generate_series(1, 90) n
UNION ALL SELECT pg_temp.uuid_of('comment', 'l', l::text), 'Lesson', pg_temp.uuid_of('lesson', l::text), pg_temp.uuid_of('user', '2'), 'bring mats', now() FROM generate_series(1, 30) l;
