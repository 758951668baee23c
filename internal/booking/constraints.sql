-- Unique constraints, foreign keys and their indexes. No foreign key cascades: a
-- DELETE that would remove rows of another table is refused. Every referencing
-- column is the first of an index, because PostgreSQL searches the referencing
-- table at each DELETE of a referenced row.

ALTER TABLE clients ADD CONSTRAINT clients_studio_id_email_key UNIQUE (studio_id, email);
ALTER TABLE participations ADD CONSTRAINT participations_session_id_client_id_key UNIQUE (session_id, client_id);
ALTER TABLE invoices ADD CONSTRAINT invoices_studio_id_number_key UNIQUE (studio_id, number);
ALTER TABLE consents ADD CONSTRAINT consents_client_id_kind_key UNIQUE (client_id, kind);
ALTER TABLE staff ADD CONSTRAINT staff_studio_id_email_key UNIQUE (studio_id, email);

CREATE INDEX services_studio_id_idx ON services (studio_id);
CREATE INDEX clients_address_id_idx ON clients (address_id);
CREATE INDEX clients_referred_by_idx ON clients (referred_by);
CREATE INDEX appointments_client_id_starts_at_idx ON appointments (client_id, starts_at);
CREATE INDEX appointments_studio_id_starts_at_idx ON appointments (studio_id, starts_at);
CREATE INDEX class_sessions_studio_id_starts_at_idx ON class_sessions (studio_id, starts_at);
CREATE INDEX class_sessions_staff_id_idx ON class_sessions (staff_id);
CREATE INDEX participations_client_id_idx ON participations (client_id);
CREATE INDEX invoices_client_id_idx ON invoices (client_id);
CREATE INDEX invoice_lines_invoice_id_idx ON invoice_lines (invoice_id);
CREATE INDEX invoice_lines_participation_id_idx ON invoice_lines (participation_id);
CREATE INDEX client_notes_client_id_idx ON client_notes (client_id);
CREATE INDEX client_notes_staff_id_idx ON client_notes (staff_id);
CREATE INDEX messages_client_id_idx ON messages (client_id);
CREATE INDEX memberships_client_id_idx ON memberships (client_id);
CREATE INDEX audit_log_subject_idx ON audit_log (subject_id, subject_type);

ALTER TABLE staff ADD CONSTRAINT staff_studio_id_fkey FOREIGN KEY (studio_id) REFERENCES studios;
ALTER TABLE services ADD CONSTRAINT services_studio_id_fkey FOREIGN KEY (studio_id) REFERENCES studios;
ALTER TABLE clients ADD CONSTRAINT clients_studio_id_fkey FOREIGN KEY (studio_id) REFERENCES studios;
ALTER TABLE clients ADD CONSTRAINT clients_address_id_fkey FOREIGN KEY (address_id) REFERENCES addresses;
ALTER TABLE clients ADD CONSTRAINT clients_referred_by_fkey FOREIGN KEY (referred_by) REFERENCES clients;
ALTER TABLE appointments ADD CONSTRAINT appointments_studio_id_fkey FOREIGN KEY (studio_id) REFERENCES studios;
ALTER TABLE appointments ADD CONSTRAINT appointments_client_id_fkey FOREIGN KEY (client_id) REFERENCES clients;
ALTER TABLE class_sessions ADD CONSTRAINT class_sessions_studio_id_fkey FOREIGN KEY (studio_id) REFERENCES studios;
ALTER TABLE class_sessions ADD CONSTRAINT class_sessions_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES staff;
ALTER TABLE participations ADD CONSTRAINT participations_session_id_fkey FOREIGN KEY (session_id) REFERENCES class_sessions;
ALTER TABLE participations ADD CONSTRAINT participations_client_id_fkey FOREIGN KEY (client_id) REFERENCES clients;
ALTER TABLE invoices ADD CONSTRAINT invoices_studio_id_fkey FOREIGN KEY (studio_id) REFERENCES studios;
ALTER TABLE invoices ADD CONSTRAINT invoices_client_id_fkey FOREIGN KEY (client_id) REFERENCES clients;
ALTER TABLE invoice_lines ADD CONSTRAINT invoice_lines_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoices;
ALTER TABLE invoice_lines ADD CONSTRAINT invoice_lines_participation_id_fkey FOREIGN KEY (participation_id) REFERENCES participations;
ALTER TABLE client_notes ADD CONSTRAINT client_notes_client_id_fkey FOREIGN KEY (client_id) REFERENCES clients;
ALTER TABLE client_notes ADD CONSTRAINT client_notes_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES staff;
ALTER TABLE messages ADD CONSTRAINT messages_client_id_fkey FOREIGN KEY (client_id) REFERENCES clients;
ALTER TABLE consents ADD CONSTRAINT consents_client_id_fkey FOREIGN KEY (client_id) REFERENCES clients;
ALTER TABLE memberships ADD CONSTRAINT memberships_client_id_fkey FOREIGN KEY (client_id) REFERENCES clients;
