package plan

import (
	"fmt"

	"github.com/oubli/oubli/internal/dictionary"
)

func (c *checker) checkKeyType() {
	if c.key != nil && keyKind(c.key) == "" {
		c.gaps.add(c.m.Client.Pos, c.client, c.key.Name, "use a key of type int, bigint, uuid, text or citext",
			"a key of type %s is not supported", c.key.Type)
	}
}

func (c *checker) checkTenant() {
	if c.tenantTable == nil {
		return
	}
	c.checkCalendar()
	if c.tenant != nil && c.tenantKey != nil && !canHold(c.tenant, c.tenantKey) {
		c.gaps.add(c.m.Client.Pos, c.client, c.tenant.Name, "name the column that holds the tenant's key",
			"its type %s cannot hold a key of type %s", c.tenant.Type, c.tenantKey.Type)
	}
}

// checkCalendar refuses columns of the tenant that cannot hold a time zone or
// the end of a fiscal year.
func (c *checker) checkCalendar() {
	m := c.m.Tenant
	for _, part := range []struct {
		name string
		fits func(*Column) bool
		want string
	}{
		{m.TimeZone, (*Column).text, "a text column with names such as Europe/Vienna"},
		{
			m.FiscalYearEnd,
			func(col *Column) bool { return col.text() || col.integer() },
			"an integer column with the month, or a text column with MM-DD",
		},
	} {
		if col := c.tenantTable.Column(part.name); col != nil && !part.fits(col) {
			c.gaps.add(m.Pos, c.tenantTable, col.Name, "name "+part.want, "its type %s cannot hold that", col.Type)
		}
	}
}

// checkKeyIsPersonal refuses a key that looks like personal data unless the map
// says that it is: the keys of erased clients stay with their jobs.
func (c *checker) checkKeyIsPersonal() {
	concept := dictionary.RecogniseIn(c.client.Name, c.key.Name)
	if !c.m.Client.KeyIsPersonal && (concept.Personal() || concept == dictionary.SomeName) {
		c.gaps.add(c.m.Client.Pos, c.client, c.key.Name, "under client: key_is_personal: true",
			"the key looks like personal data, and jobs keep the keys of whom they erased")
	}
}

func (c *checker) checkKeyIsUnique() {
	if !c.keyIsUnique {
		c.gaps.add(c.m.Client.Pos, c.client, c.key.Name, fmt.Sprintf("ALTER TABLE %s ADD UNIQUE (%s)", c.client.ident(), ident(c.key.Name)),
			"no unique index says that a key means one client")
	}
}
