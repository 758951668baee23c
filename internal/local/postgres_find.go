package local

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// minPostgres is the oldest PostgreSQL that oubli works with.
const minPostgres = 14

// postgresDirs are where systems put server binaries that are not on the PATH.
var postgresDirs = []string{
	"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
	"/usr/pgsql-*/bin",          // Fedora and RHEL, from PostgreSQL's own repository
	"/usr/libexec/postgresql*",  // Alpine
	"/usr/lib/postgresql*/bin",  // openSUSE
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
	"/usr/local/pgsql/bin", // built from source
	"/usr/local/bin",
	"/usr/bin",
}

// installation is a directory with PostgreSQL's server binaries.
type installation struct {
	dir   string
	major int
}

// findPostgres returns the installation on the PATH when it is new enough, else
// the newest that the system has.
func findPostgres(ctx context.Context) (installation, error) {
	if p, err := exec.LookPath("postgres"); err == nil {
		if in, ok := inspect(ctx, filepath.Dir(p)); ok {
			return in, nil
		}
	}
	dirs := []string{}
	for _, pattern := range postgresDirs {
		found, _ := filepath.Glob(pattern)
		dirs = append(dirs, found...)
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	var best installation
	for _, dir := range dirs {
		if in, ok := inspect(ctx, dir); ok && in.major > best.major {
			best = in
		}
	}
	if best.major == 0 {
		return best, &MissingError{What: []Program{PostgreSQL}}
	}
	return best, nil
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

func inspect(ctx context.Context, dir string) (installation, bool) {
	if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
		return installation{}, false
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return installation{}, false
	}
	m := versionPattern.FindSubmatch(out)
	if m == nil {
		return installation{}, false
	}
	major, err := strconv.Atoi(string(m[1]))
	return installation{dir: dir, major: major}, err == nil && major >= minPostgres
}

func (in installation) program(name string) string {
	return filepath.Join(in.dir, name)
}

func (in installation) String() string {
	return fmt.Sprintf("PostgreSQL %d", in.major)
}
