package plan

// emitter writes the statements of a model without gaps.
type emitter struct {
	*model
	gone bool // the clients' own rows are gone, or may be, when the statements run
}

// emitBasics is the plan of a model that may have gaps: keys and tenants.
func emitBasics(md *model) *Plan {
	em := emitter{model: md}
	return &Plan{
		Map: md.m, Fingerprint: md.catalog.Fingerprint, KeyKind: keyKind(md.key),
		FindClients: em.findClientsStatement(), SpellKeys: em.spellKeysStatement(), Tenant: em.tenantStatement(), model: md,
	}
}

// emit is the whole plan. mergeGaps are the reasons against merges.
func emit(md *model, mergeGaps Gaps) *Plan {
	p, em := emitBasics(md), emitter{model: md}
	p.OwnedColumns = em.ownedColumns()
	p.NeedsLaw = em.needsLaw()
	p.Law = em.lawStatement()
	p.RetentionRules = em.retentionRules()
	p.Preview = em.previewStatement()
	p.Created = em.createdStatement()
	p.Search = em.search()
	p.Holdings = em.holdingsStatement()
	p.OrderByActivity, p.OrderByCreation = em.orderStatement(true), em.orderStatement(false)
	p.RaiseKeys = em.raiseKeysStatement()
	p.LockClients = em.lockClientsStatement()
	p.LockParents = em.lockParentsStatements(everyEntry)
	p.LockTables = em.lockTablesStatement()
	p.Guards = em.guardsStatement()
	p.LiveProfiles = em.liveProfilesStatement()
	p.NewProfile = em.newProfileStatement()
	p.CountProfiles = em.profileCountStatements(false)
	p.CountJobProfiles = em.profileCountStatements(true)
	p.LargestGroups = em.largestGroupStatements()
	p.RemoveProfiles = em.removeProfilesStatement()
	p.AdoptProfiles = em.adoptProfilesStatement()
	p.Erase = em.eraseStatements()
	p.EraseRelatedRows = em.relatedRowStatements(everyEntry)
	p.LateRows = em.lateRows()
	p.KeepsValues = len(em.recordValues()) > 0
	p.Proof = em.proof(false)
	p.ProofRelatedRows = em.proof(true)
	p.KeysInUse = em.keysInUseStatement()
	p.UsesSharedProfile = UsesSharedProfile(p.Erase)
	p.Merge = mergeEmitter{em}.merge(mergeGaps)
	p.Sweeps = em.sweeps()
	p.Refresh = em.refreshStatements()
	p.AffectedTables = em.affectedTables()
	p.Mixed = em.mixedTables()
	return p
}
