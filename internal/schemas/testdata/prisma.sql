-- A booking product in the style of Prisma: quoted names in camel case, text
-- keys that the application makes (cuid), enums, arrays, jsonb, an implicit
-- many-to-many table whose columns are called A and B.

CREATE TYPE "CustomerStatus" AS ENUM ('ACTIVE', 'BLOCKED', 'ARCHIVED');
CREATE TYPE "BookingStatus" AS ENUM ('PENDING', 'CONFIRMED', 'CANCELLED', 'NO_SHOW');
CREATE TYPE "InvoiceStatus" AS ENUM ('DRAFT', 'OPEN', 'PAID', 'VOID');

CREATE TABLE "_prisma_migrations" (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, migration_name varchar(255) NOT NULL, logs text);

CREATE TABLE "Organization" (
	"id"       text PRIMARY KEY,
	"name"     text NOT NULL,
	"country"  char(2) NOT NULL,
	"language" text NOT NULL
);

CREATE TABLE "Customer" (
	"id"             text PRIMARY KEY,
	"organizationId" text NOT NULL REFERENCES "Organization" ON UPDATE CASCADE,
	"displayName"    text NOT NULL,
	"email"          text NOT NULL,
	"phoneNumbers"   text[] NOT NULL,
	"address"        jsonb,
	"locale"         text,
	"status"         "CustomerStatus" NOT NULL,
	"legalHold"      boolean NOT NULL DEFAULT false,
	"marketing"      jsonb NOT NULL,
	"defaultCardId"  text UNIQUE,
	"createdAt"      timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
	"updatedAt"      timestamp(3) NOT NULL
);
CREATE UNIQUE INDEX "Customer_organizationId_email_key" ON "Customer" ("organizationId", "email");

CREATE TABLE "PaymentCard" (
	"id"         text PRIMARY KEY,
	"customerId" text NOT NULL REFERENCES "Customer" ON DELETE RESTRICT,
	"holder"     text NOT NULL,
	"last4"      char(4) NOT NULL
);
CREATE INDEX "PaymentCard_customerId_idx" ON "PaymentCard" ("customerId");
ALTER TABLE "Customer" ADD CONSTRAINT "Customer_defaultCardId_fkey" FOREIGN KEY ("defaultCardId") REFERENCES "PaymentCard";

CREATE TABLE "Tag" ("id" text PRIMARY KEY, "organizationId" text NOT NULL REFERENCES "Organization", "label" text NOT NULL);
CREATE TABLE "_CustomerToTag" (
	"A" text NOT NULL REFERENCES "Customer" ON DELETE CASCADE ON UPDATE CASCADE,
	"B" text NOT NULL REFERENCES "Tag" ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "_CustomerToTag_AB_unique" ON "_CustomerToTag" ("A", "B");
CREATE INDEX "_CustomerToTag_B_index" ON "_CustomerToTag" ("B");

CREATE TABLE "Resource" ("id" text PRIMARY KEY, "organizationId" text NOT NULL REFERENCES "Organization", "title" text NOT NULL);

CREATE TABLE "Booking" (
	"id"             text PRIMARY KEY,
	"organizationId" text NOT NULL REFERENCES "Organization",
	"customerId"     text NOT NULL REFERENCES "Customer" ON DELETE RESTRICT,
	"resourceId"     text NOT NULL REFERENCES "Resource",
	"startTime"      timestamp(3) NOT NULL,
	"endTime"        timestamp(3) NOT NULL,
	"status"         "BookingStatus" NOT NULL,
	"priceCents"     integer NOT NULL,
	"attendeeNames"  text[] NOT NULL DEFAULT '{}',
	"intakeForm"     jsonb,
	"internalNote"   text,
	"cancelledById"  text REFERENCES "Customer" ON DELETE SET NULL
);
CREATE UNIQUE INDEX "Booking_slot_key" ON "Booking" ("resourceId", "startTime", "customerId");
CREATE INDEX "Booking_customerId_idx" ON "Booking" ("customerId");
CREATE INDEX "Booking_cancelledById_idx" ON "Booking" ("cancelledById");

CREATE TABLE "BookingAnswer" (
	"id"        text PRIMARY KEY,
	"bookingId" text NOT NULL REFERENCES "Booking" ON DELETE CASCADE,
	"question"  text NOT NULL,
	"answer"    text NOT NULL
);
CREATE INDEX "BookingAnswer_bookingId_idx" ON "BookingAnswer" ("bookingId");

CREATE TABLE "Invoice" (
	"id"             text PRIMARY KEY,
	"organizationId" text NOT NULL REFERENCES "Organization",
	"customerId"     text NOT NULL REFERENCES "Customer",
	"invoiceNumber"  text NOT NULL,
	"issuedAt"       timestamp(3) NOT NULL,
	"status"         "InvoiceStatus" NOT NULL,
	"totalCents"     integer NOT NULL,
	"billingDetails" jsonb NOT NULL
);
CREATE UNIQUE INDEX "Invoice_number_key" ON "Invoice" ("organizationId", "invoiceNumber");
CREATE INDEX "Invoice_customerId_idx" ON "Invoice" ("customerId");

CREATE TABLE "CustomerSession" ("id" text PRIMARY KEY, "customerId" text NOT NULL REFERENCES "Customer" ON DELETE CASCADE, "sessionToken" text NOT NULL UNIQUE, "userAgent" text);
CREATE INDEX "CustomerSession_customerId_idx" ON "CustomerSession" ("customerId");

-- Events go to a queue from here; nothing ties them to a customer but a value.
CREATE TABLE "OutboxEvent" (
	"id"          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	"aggregateId" text NOT NULL,
	"eventName"   text NOT NULL,
	"payload"     jsonb NOT NULL
);
CREATE INDEX "OutboxEvent_aggregateId_idx" ON "OutboxEvent" ("aggregateId");

CREATE MATERIALIZED VIEW "Reporting_customers" AS
	SELECT c."organizationId", c."displayName", count(b."id") AS bookings
	FROM "Customer" c LEFT JOIN "Booking" b ON b."customerId" = c."id" GROUP BY c."id";

CREATE VIEW "ActiveCustomer" AS SELECT "id", "displayName" FROM "Customer" WHERE "status" = 'ACTIVE';
