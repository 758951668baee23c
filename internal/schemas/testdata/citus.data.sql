INSERT INTO companies SELECT c, 'Company ' || c, (ARRAY['ES', 'IT'])[c], (ARRAY['es', 'it'])[c] FROM generate_series(1, 2) c;
INSERT INTO resources SELECT c, r, 'Court ' || r FROM generate_series(1, 2) c, generate_series(1, 3) r;

-- The marker's number is 100 × company + customer: both companies have a customer 7.
INSERT INTO customers
SELECT c, n, 'Maria ' || pg_temp.mark(100 * c + n), pg_temp.mark(100 * c + n) || '@mail.example', '+34 ' || pg_temp.mark(100 * c + n), date '1980-01-01' + n, 'Is ' || pg_temp.mark(100 * c + n), now() - interval '2 years'
FROM generate_series(1, 2) c, generate_series(1, 40) n;

INSERT INTO reservations
SELECT c, n * 10 + k, n, n % 3 + 1, timestamptz '2024-03-01 10:00Z' + k * interval '1 day', 2000, 'Maria ' || pg_temp.mark(100 * c + n), 'With ' || pg_temp.mark(100 * c + n)
FROM generate_series(1, 2) c, generate_series(1, 40) n, generate_series(1, 2) k;

INSERT INTO reservation_extras SELECT c, n, n * 10 + 1, 'For ' || pg_temp.mark(100 * c + n), 300 FROM generate_series(1, 2) c, generate_series(1, 40) n;
INSERT INTO customer_notes SELECT c, n, n, 'About ' || pg_temp.mark(100 * c + n) FROM generate_series(1, 2) c, generate_series(1, 40) n;
INSERT INTO customer_note_files SELECT c, n, n, pg_temp.mark(100 * c + n) || '.pdf' FROM generate_series(1, 2) c, generate_series(1, 40) n;
