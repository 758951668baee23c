package repository

// The statements whose cost must not grow with the backlog.
const (
	AnyReadySQL          = anyReadySQL
	LoadSQL              = loadSQL
	UnparkDueSQL         = unparkDueSQL
	NextBatchOfTenantSQL = nextBatchOfTenantSQL
	WithoutHintSQL       = withoutHintSQL
	OpenJobsSQL          = openJobsSQL
	DispatchSettingsSQL  = dispatchSettingsSQL
)

// Statements by which a round goes from tenant to tenant.
var HeadsSQL, HeadsAfterSQL = headsSQL, headsAfterSQL
