package app

import (
	"reflect"
	"sync"

	"github.com/rs/zerolog"

	"github.com/oubli/oubli/internal/erasuremap"
)

// mapFile reads the map, and tells the log when a later reading gives
// something else: a job that waits for the map is why it is read again.
type mapFile struct {
	path string
	log  zerolog.Logger

	mu      sync.Mutex
	last    *erasuremap.Map
	problem string
}

func (f *mapFile) load() (*erasuremap.Map, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, err := erasuremap.Load(f.path)
	if err != nil {
		if f.last != nil && f.problem != err.Error() {
			f.problem = err.Error()
			f.log.Error().Err(err).Msg("the edited map cannot be read; the one before stays")
		}
		return nil, err
	}
	if f.last != nil && (f.problem != "" || !reflect.DeepEqual(f.last, m)) {
		f.log.Info().Str("map", f.path).Msg("the edited map was read")
	}
	f.last, f.problem = m, ""
	return m, nil
}
