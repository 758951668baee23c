package app

import "runtime/debug"

// release is set by the linker; see the Makefile.
var release string

// Version is the version of this build: the release, a pseudo-version,
// "(devel)", or "dev" when nothing was recorded.
func Version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "dev"
}
