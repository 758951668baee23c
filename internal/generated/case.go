package generated

// Case is a spec as SQL and YAML, with all its clients and rows.
type Case struct {
	Spec    *Spec
	SQL     string // for an empty database
	Map     string
	Clients []Client
	Asked   []int // the numbers of those to be erased, all of tenant 1

	rows   []*row
	owned  []owning
	lastID int
}

// Build makes the case of a spec. The same spec always gives the same case.
func (s *Spec) Build() *Case {
	c := &Case{Spec: s, lastID: 1000}
	c.plant()
	c.SQL, c.Map = c.sql(), c.yaml()
	return c
}

// Tenant is the tenant of the clients to be erased; "" without tenants.
func (c *Case) Tenant() string {
	if c.Spec.Tenants {
		return "1"
	}
	return ""
}

// Keys are the keys of the clients to be erased.
func (c *Case) Keys() []string {
	keys := make([]string, len(c.Asked))
	for i, n := range c.Asked {
		keys[i] = c.client(n).Key
	}
	return keys
}

// Asked client by key; 0 for nobody.
func (c *Case) number(key string) int {
	for _, n := range c.Asked {
		if c.client(n).Key == key {
			return n
		}
	}
	return 0
}
