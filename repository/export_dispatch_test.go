package repository

// The statements whose cost must not grow with the backlog.
const (
	AnyReadySQL          = anyReadySQL
	LoadSQL              = loadSQL
	HeadsSQL             = headsSQL
	UnparkDueSQL         = unparkDueSQL
	NextBatchOfTenantSQL = nextBatchOfTenantSQL
	WithoutHintSQL       = withoutHintSQL
	OpenJobsSQL          = openJobsSQL
	DispatchSettingsSQL  = dispatchSettingsSQL
)
