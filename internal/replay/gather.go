package replay

import (
	"slices"

	"github.com/oubli/oubli/internal/ledger"
	"github.com/oubli/oubli/jobs"
)

// person is a client as the ledger names one.
type person struct{ tenant, key string }

// batch is a batch or a merge of the ledger.
type batch struct {
	intent  jobs.LedgerRecord
	outcome *jobs.LedgerRecord // nil: the ledger does not know how it ended
}

// gather lists the batches and merges about which the ledger says something that the
// database does not know, in the order in which they began.
func gather(u ledger.Unknown) []*batch {
	var order []*batch
	byTask := map[string]*batch{}
	add := func(r jobs.LedgerRecord) *batch {
		b := byTask[r.TaskID]
		if b == nil {
			b = &batch{intent: r}
			byTask[r.TaskID] = b
			order = append(order, b)
		}
		return b
	}
	ended := map[string]bool{}
	for _, o := range u.Objects {
		for _, r := range o.Records {
			ended[r.TaskID] = ended[r.TaskID] || r.Record == jobs.OutcomeRecord
		}
	}
	for _, o := range slices.Concat(u.Earlier, u.Objects) {
		for _, r := range o.Records {
			switch {
			case r.Kind == jobs.LedgerSweep || r.TaskID == "":
			case r.Record == jobs.IntentRecord && (ended[r.TaskID] || o.Sequence >= firstOf(u)):
				add(r)
			case r.Record == jobs.OutcomeRecord && byTask[r.TaskID] != nil:
				byTask[r.TaskID].outcome = &r
			}
		}
	}
	return order
}

func firstOf(u ledger.Unknown) int64 {
	if len(u.Objects) == 0 {
		return 1 << 62
	}
	return u.Objects[0].Sequence
}

// keys lists the clients whom a batch has erased or merged or, without an outcome, may
// have.
func (b *batch) keys() []string {
	spared := map[string]bool{}
	if b.outcome == nil {
		for i, key := range b.intent.Keys {
			spared[key] = b.intent.Prints[i] == "" // there was no such client
		}
		return slices.DeleteFunc(slices.Clone(b.intent.Keys), func(k string) bool { return spared[k] })
	}
	for _, key := range b.outcome.Left {
		spared[key] = true
	}
	for _, e := range b.outcome.Exceptions {
		spared[e.ClientID] = spared[e.ClientID] || e.Outcome != jobs.ErasedRetained
	}
	return slices.DeleteFunc(slices.Clone(b.intent.Keys), func(k string) bool { return spared[k] })
}

// keepsSource reports whether the clients stay after a merge.
func (b *batch) keepsSource() bool { return b.intent.Merge != nil && !b.intent.Merge.DeleteSource }

// known is what the ledger says of a client.
type known struct {
	prints map[string]bool // fingerprints; none: erased before there was a ledger
	sure   bool            // an outcome says that the client was erased or merged
	stays  bool            // only merges that keep the source
}

// people collects what the ledger says of each client.
func people(all []*batch) map[person]*known {
	found := map[person]*known{}
	for _, b := range all {
		prints := map[string]string{}
		for i, key := range b.intent.Keys {
			if i < len(b.intent.Prints) {
				prints[key] = b.intent.Prints[i]
			}
		}
		for _, key := range b.keys() {
			p := person{b.intent.Tenant, key}
			k := found[p]
			if k == nil {
				k = &known{prints: map[string]bool{}, stays: true}
				found[p] = k
			}
			if print := prints[key]; print != "" {
				k.prints[print] = true
			}
			k.sure = k.sure || b.outcome != nil
			k.stays = k.stays && b.keepsSource()
		}
	}
	return found
}

// is reports whether a client who is there now is the one that the ledger means. Without
// a fingerprint the job finds out, by when the list of its clients was made.
func (k *known) is(secret []byte, p person, createdAt string) bool {
	return len(k.prints) == 0 || k.prints[ledger.Fingerprint(secret, p.tenant, p.key, createdAt)]
}
