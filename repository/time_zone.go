package repository

import "context"

// TimeZone is the tenant's time zone, for those who show times; empty: it is unknown.
func (s *Store) TimeZone(ctx context.Context, tenant string) string {
	p, err := s.covered(ctx)
	if err != nil || p.Law.SQL == "" {
		return ""
	}
	law, err := s.readLaw(ctx, p, tenant)
	if err != nil {
		return "" // times are then shown in UTC
	}
	return law.TimeZone
}
