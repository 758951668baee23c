package plan

import (
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/dictionary"
)

// RefersByName is the table to whose rows a column without a foreign key refers by its
// name: invoices for invoice_id. It is nil if the column could not hold the table's
// key, or if several tables have the name.
func (c *Catalog) RefersByName(r *Relation, col *Column) *Relation {
	stem := dictionary.Words(col.Name)
	n := len(stem)
	if n < 2 || r.isForeign(col.Name) || !slices.Contains([]string{"id", "uuid", "key"}, stem[n-1]) {
		return nil
	}
	name := strings.Join(dictionary.Singular(stem[:n-1]), "")
	var found *Relation
	for i := range c.Relations {
		to := &c.Relations[i]
		if to.Kind == "m" || strings.Join(dictionary.Singular(dictionary.Words(to.Name)), "") != name {
			continue
		}
		if found != nil {
			return nil
		}
		found = to
	}
	if found == nil || found == r || len(found.PrimaryKey) != 1 {
		return nil
	}
	if key := found.Column(found.PrimaryKey[0]); col.Array || col.text() && !key.text() || !canHold(col, key) {
		return nil
	}
	return found
}

// NamedAfter is the column of the client, other than the key, after which a column of
// another table is named: external_id for external_customer_id. It is nil if there is
// none that could be meant.
func NamedAfter(client *Relation, key, tenant string, col *Column) *Column {
	own := dictionary.Singular(dictionary.Words(client.Name))
	name := strings.Join(slices.DeleteFunc(dictionary.Words(col.Name), func(w string) bool {
		return slices.Contains(own, w) || dictionary.NamesClient(w+"_id")
	}), "")
	if name == dictionary.Joined(key) || name == "" || name == "id" {
		return nil
	}
	for i := range client.Columns {
		other := &client.Columns[i]
		unique := client.uniqueBy(other.Name) || tenant != "" && client.uniqueBy(other.Name, tenant)
		if other.Name != key && other.Name != tenant && dictionary.Joined(other.Name) == name && canHold(col, other) && unique {
			return other
		}
	}
	return nil
}
