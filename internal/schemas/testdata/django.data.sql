INSERT INTO django_content_type (id, app_label, model) VALUES (1, 'auth', 'user'), (2, 'crm', 'customer'), (3, 'booking', 'appointment'), (4, 'catalog', 'service');
INSERT INTO auth_user SELECT u, 'pbkdf2', now(), false, 'stylist' || u, 'Sam', 'Stylist', 'stylist' || u || '@salon.example', true, now() FROM generate_series(1, 3) u;
INSERT INTO catalog_service SELECT s, 'Haircut ' || s, 30 + s FROM generate_series(1, 5) s;

INSERT INTO crm_postaladdress SELECT 550000 + n, n || ' rue ' || pg_temp.mark(n), '75001', 'Paris ' || pg_temp.mark(n) FROM generate_series(1, 80) n WHERE n % 2 = 0;
INSERT INTO crm_customer
SELECT 770000 + n, 'Marie ' || pg_temp.mark(n), pg_temp.mark(n) || '@mail.example', '+33 ' || pg_temp.mark(n), date '1980-01-01' + n::int, 'f', false, 3,
	CASE WHEN n % 2 = 0 THEN 550000 + n END, now() - interval '2 years'
FROM generate_series(1, 80) n;

INSERT INTO crm_customer_favourite_services_with_preferred_stylists (customer_id, service_id) SELECT 770000 + n, n % 5 + 1 FROM generate_series(1, 80) n;

INSERT INTO booking_appointment (id, customer_id, service_id, "startsAt", "order", price, "customerName", remarks, rescheduled_from_id)
SELECT 330000 + n * 10 + k, 770000 + n, n % 5 + 1, now() - k * interval '20 days', k, 30 + k, 'Marie ' || pg_temp.mark(n), 'Likes ' || pg_temp.mark(n),
	CASE WHEN k = 2 THEN 330000 + n * 10 + 1 END
FROM generate_series(1, 80) n, generate_series(1, 2) k ORDER BY k;

-- Two guests at each, neighbours of the customer, so that erased ones meet.
INSERT INTO booking_appointment_guests (appointment_id, customer_id)
SELECT 330000 + n * 10 + 1, 770000 + (n + g - 1) % 80 + 1 FROM generate_series(1, 80) n, generate_series(1, 2) g;

INSERT INTO booking_appointmentphoto (appointment_id, image, caption) SELECT 330000 + n * 10 + 1, 'photos/' || pg_temp.mark(n) || '.jpg', 'Before ' || pg_temp.mark(n) FROM generate_series(1, 80) n;
INSERT INTO crm_hairformula (id, customer_id, formula, allergies) SELECT 440000 + n, 770000 + n, '6N for ' || pg_temp.mark(n), pg_temp.mark(n) || ': none' FROM generate_series(1, 80) n;
-- A formula that was taken over from another customer.
UPDATE crm_hairformula SET supersedes_id = id - 1 WHERE id > 440001 AND id % 4 = 0;

INSERT INTO "billing_Invoice" ("customerId", "Number", "issuedOn", "billTo", "billStreet", "grossTotal")
SELECT 770000 + n, 'R-' || n || '-' || k, date '2005-01-15', 'Marie ' || pg_temp.mark(n), n || ' rue ' || pg_temp.mark(n), 60 FROM generate_series(1, 80) n, generate_series(1, 2) k;

INSERT INTO django_admin_log (action_time, object_id, object_repr, action_flag, change_message, content_type_id, user_id)
SELECT now(), (770000 + n)::text, 'Marie ' || pg_temp.mark(n), 2, '[{"changed": {"fields": ["Email"]}}]', 2, 1 FROM generate_series(1, 80) n
UNION ALL SELECT now(), (330000 + n * 10 + 1)::text, 'Appointment of ' || pg_temp.mark(n), 1, '', 3, 1 FROM generate_series(1, 80) n
UNION ALL SELECT now(), s::text, 'Haircut ' || s, 1, '', 4, 1 FROM generate_series(1, 5) s;
