INSERT INTO "Organization" SELECT 'org_' || o, 'Studio ' || o, (ARRAY['DE', 'NL'])[o], (ARRAY['de', 'nl'])[o] FROM generate_series(1, 2) o;

INSERT INTO "Customer"
SELECT 'cus_' || md5('c' || n), 'org_' || n % 2 + 1, 'Marie ' || pg_temp.mark(n), pg_temp.mark(n) || '@mail.example', ARRAY['+31 ' || pg_temp.mark(n)],
	jsonb_build_object('street', pg_temp.mark(n) || 'straat', 'city', 'Utrecht'), 'nl', 'ACTIVE', false, jsonb_build_object('nickname', pg_temp.mark(n)), NULL, now() - interval '3 years', now()
FROM generate_series(1, 80) n;

INSERT INTO "PaymentCard" SELECT 'card_' || n, 'cus_' || md5('c' || n), 'M. ' || pg_temp.mark(n), '4242' FROM generate_series(1, 80) n;
UPDATE "Customer" SET "defaultCardId" = c."id" FROM "PaymentCard" c WHERE c."customerId" = "Customer"."id";

INSERT INTO "Tag" SELECT 'tag_' || t, 'org_' || t % 2 + 1, 'Tag ' || t FROM generate_series(1, 4) t;
INSERT INTO "_CustomerToTag" SELECT 'cus_' || md5('c' || n), 'tag_' || n % 4 + 1 FROM generate_series(1, 80) n;

INSERT INTO "Resource" SELECT 'res_' || r, 'org_' || r % 2 + 1, 'Room ' || r FROM generate_series(1, 4) r;

-- Several customers of one organization share a room and a time.
INSERT INTO "Booking"
SELECT 'bk_' || n || '_' || k, 'org_' || n % 2 + 1, 'cus_' || md5('c' || n), 'res_' || n % 4 + 1, timestamp '2024-01-01 10:00' + k * interval '1 day', timestamp '2024-01-01 11:00' + k * interval '1 day',
	'CONFIRMED', 4500, ARRAY['Marie ' || pg_temp.mark(n), 'Friend of ' || pg_temp.mark(n)], jsonb_build_object('allergies', pg_temp.mark(n), 'colour', 'red'), 'Says ' || pg_temp.mark(n),
	CASE WHEN pg_temp.pick(3, 'cancel', n::text) = 0 THEN 'cus_' || md5('c' || (n % 80 + 1)) END
FROM generate_series(1, 80) n, generate_series(1, 3) k;

INSERT INTO "BookingAnswer" SELECT 'ans_' || n, 'bk_' || n || '_1', 'How did you hear of us?', 'From the aunt of ' || pg_temp.mark(n) FROM generate_series(1, 80) n;

INSERT INTO "Invoice"
SELECT 'inv_' || n, 'org_' || n % 2 + 1, 'cus_' || md5('c' || n), '2005-' || n, timestamp '2005-02-01', 'PAID', 13500,
	jsonb_build_object('name', 'Marie ' || pg_temp.mark(n), 'address', jsonb_build_object('street', pg_temp.mark(n) || 'straat')) FROM generate_series(1, 80) n;

INSERT INTO "CustomerSession" SELECT 'ses_' || n, 'cus_' || md5('c' || n), 'tok-' || pg_temp.mark(n), 'Browser of ' || pg_temp.mark(n) FROM generate_series(1, 80) n;

INSERT INTO "OutboxEvent" ("aggregateId", "eventName", "payload")
SELECT 'cus_' || md5('c' || n), 'customer.created', jsonb_build_object('email', pg_temp.mark(n) || '@mail.example') FROM generate_series(1, 80) n;

REFRESH MATERIALIZED VIEW "Reporting_customers";
