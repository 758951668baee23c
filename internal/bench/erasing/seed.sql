-- One statement for each table, after a line that begins with "-- table:".
-- :clients is replaced with the number of clients. Rows are stored as after nine
-- years of use: in the order of their dates, so that the rows of one client are far
-- apart. A client has an appointment every six weeks for a year after joining, and
-- then no more.

-- table: studios
INSERT INTO studios (id, name, country, locale, timezone, created_at)
SELECT k, 'Studio ' || k, (ARRAY['DE','AT','FR','IT'])[1 + k % 4], (ARRAY['de','de-AT','fr','it'])[1 + k % 4], 'Europe/Berlin', now() - interval '10 years'
FROM generate_series(1, 20) AS k;

-- table: staff
INSERT INTO staff (id, studio_id, first_name, last_name, email, role, created_at)
SELECT k, k, 'Kim', 'Trainer', 'kim@studio-' || k || '.example', 'trainer', now() - interval '10 years'
FROM generate_series(1, 20) AS k;

-- table: addresses
INSERT INTO addresses (id, street, postal_code, city, country)
SELECT i, 'Lindenweg ' || i % 200, lpad((i % 90000)::text, 5, '0'), 'Musterstadt', 'DE'
FROM generate_series(1, :clients) AS i;

-- Studio 1 has two fifths of the clients, 19 other studios have the others. One
-- client in ten has the address of the client before, one in twenty was recommended
-- by another client of the studio.
-- table: clients
INSERT INTO clients (id, studio_id, first_name, last_name, email, phone, birth_date, address_id, notes, group_name, balance_cents, legal_hold, referred_by, created_at, updated_at)
SELECT i, CASE WHEN i % 5 < 2 THEN 1 ELSE 2 + (i / 5 * 3 + i % 5) % 19 END,
  'Given' || i % 997, 'Family' || i, 'person' || i || '@mail.example', '+49 30 ' || 1000000 + i, date '1960-01-01' + (i % 15000)::int,
  CASE WHEN i % 10 = 0 THEN i - 1 ELSE i END, CASE WHEN i % 8 = 0 THEN 'likes the early class' END, 'Members',
  CASE WHEN i % 100 = 7 THEN -2500 ELSE 0 END, i % 200 = 9, CASE WHEN i % 20 = 3 AND i > 95 THEN i - 95 END,
  now() - interval '9 years' + i * (interval '9 years' / :clients), now()
FROM generate_series(1, :clients) AS i;

-- table: appointments
INSERT INTO appointments (id, studio_id, client_id, starts_at, status, service, client_name, price_cents, note)
SELECT g, CASE WHEN id % 5 < 2 THEN 1 ELSE 2 + (id / 5 * 3 + id % 5) % 19 END, id, at,
  CASE WHEN at > now() THEN 'booked' WHEN g % 9 = 0 THEN 'cancelled' ELSE 'completed' END,
  'Reformer 55', 'Given' || id % 997 || ' Family' || id, 4500, CASE WHEN g % 5 = 0 THEN 'knee, be careful; call +49 30 ' || 1000000 + id END
FROM (
  SELECT g, 1 + (g / 8 - g % 8 * (:clients / 72) + :clients) % :clients AS id, now() - interval '9 years' + g * (interval '3305 days' / (8 * :clients)) AS at
  FROM generate_series(0, 8 * :clients::bigint - 1) AS g) AS g
ORDER BY g;

-- A class has ten participants.
-- table: class_sessions
INSERT INTO class_sessions (id, studio_id, staff_id, title, starts_at, capacity)
SELECT studio_id * 100000000 + q, studio_id, studio_id, 'Mat class', now() - interval '9 years' + q * (interval '9 years' / n), 12
FROM (SELECT studio_id, greatest(count(*) * 4 / 10, 8) AS n FROM clients GROUP BY 1) AS s, generate_series(0, n - 1) AS q;

-- table: participations
INSERT INTO participations (id, session_id, client_id, status, price_cents, paid_cents, comment)
SELECT (id - 1) * 4 + j + 1, studio_id * 100000000 + q, id, 'attended', 1800, 1800, CASE WHEN j = 3 THEN 'asked for a mat' END
FROM (
  SELECT id, studio_id, j, (place * n / clients + j * greatest(n / 36, 1)) % n AS q
  FROM (SELECT id, studio_id, row_number() OVER (PARTITION BY studio_id ORDER BY id) AS place, count(*) OVER (PARTITION BY studio_id) AS clients,
      greatest(count(*) OVER (PARTITION BY studio_id) * 4 / 10, 8) AS n FROM clients) AS c, generate_series(0, 3) AS j) AS p
ORDER BY q, studio_id;

-- table: invoices
INSERT INTO invoices (id, studio_id, client_id, number, issued_on, status, total_cents, billing_name, billing_address, billing_email)
SELECT g, CASE WHEN id % 5 < 2 THEN 1 ELSE 2 + (id / 5 * 3 + id % 5) % 19 END, id, 'R' || g,
  current_date - 3285 + (g * 3285 / (2 * :clients::bigint))::int, CASE WHEN id % 100 = 11 AND g % 2 = 0 THEN 'open' ELSE 'paid' END, 9900,
  'Given' || id % 997 || ' Family' || id, 'Lindenweg ' || id % 200, 'person' || id || '@mail.example'
FROM (SELECT g, 1 + (g / 2 - g % 2 * (:clients / 18) + :clients) % :clients AS id FROM generate_series(0, 2 * :clients::bigint - 1) AS g) AS g
ORDER BY g;

-- table: invoice_lines
INSERT INTO invoice_lines (id, invoice_id, participation_id, description, amount_cents)
SELECT id, id, CASE WHEN id % 2 = 0 THEN (client_id - 1) * 4 + 1 + id % 4 END, 'Class', 9900 FROM invoices ORDER BY id;

-- table: client_notes
INSERT INTO client_notes (id, client_id, staff_id, body, created_at)
SELECT i, i, 1, 'came with a sore back; mail person' || i || '@mail.example', now() - interval '9 years' + i * (interval '9 years' / :clients)
FROM generate_series(1, :clients::bigint) AS i;

-- table: messages
INSERT INTO messages (id, client_id, sent_at, channel, recipient, subject, body)
SELECT i, 1 + (i * 3001) % :clients, now() - interval '23 months' + i * (interval '23 months' / :clients), 'email', 'person@mail.example', 'Your class', 'Dear Given, see you on Monday at nine.'
FROM generate_series(1, :clients::bigint) AS i;

-- table: consents
INSERT INTO consents (id, client_id, kind, granted_at, ip, wording)
SELECT i, i, 'terms', now() - interval '3 years', '192.0.2.7', 'I agree to the terms of 2023'
FROM generate_series(1, :clients) AS i;

-- table: memberships
INSERT INTO memberships (id, client_id, plan, card_number, starts_on, ends_on, monthly_cents)
SELECT i, 2 * i, 'Flex', 'C' || i, current_date - 900, current_date - 200, 6900
FROM generate_series(1, :clients / 2) AS i;

-- table: audit_log
INSERT INTO audit_log (id, occurred_at, subject_type, subject_id, action, data)
SELECT i, now() - interval '9 years' + i * (interval '9 years' / :clients), 'Client', i, 'created', jsonb_build_object('name', 'Given' || i % 997 || ' Family' || i)
FROM generate_series(1, :clients) AS i;
