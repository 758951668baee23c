package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// manager is a package manager. Its script installs the packages named by its
// arguments.
type manager struct {
	program string
	script  string
	// packages lists each program's packages, in the order to try them.
	packages map[Program][]string
	// asUser is for managers that refuse to run as root.
	asUser bool
}

// aptScript keeps Debian's packages from starting services: no database cluster
// is created, and a newly installed redis-server is not started at boot.
const aptScript = `
export DEBIAN_FRONTEND=noninteractive
dropin=/etc/postgresql-common/createcluster.d
made=
[ -d "$dropin" ] || made=yes
mkdir -p "$dropin" && echo 'create_main_cluster = false' >"$dropin/oubli.conf"
trap 'rm -f "$dropin/oubli.conf"; [ -z "$made" ] || rmdir "$dropin" 2>/dev/null' EXIT
had_redis=$(command -v redis-server)
apt-get update -qq
apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" || exit
if [ -z "$had_redis" ] && [ -d /run/systemd/system ] && command -v redis-server >/dev/null; then
	systemctl disable --now redis-server || true
fi
`

var managers = []manager{
	{program: "apt-get", script: aptScript, packages: map[Program][]string{
		PostgreSQL: {"postgresql"}, RedisServer: {"redis-server", "valkey-server"},
	}},
	{program: "dnf", script: `dnf install -y "$@"`, packages: map[Program][]string{
		PostgreSQL: {"postgresql-server"}, RedisServer: {"redis", "valkey"},
	}},
	{program: "zypper", script: `zypper --non-interactive install "$@"`, packages: map[Program][]string{
		PostgreSQL: {"postgresql-server"}, RedisServer: {"redis", "valkey"},
	}},
	{program: "apk", script: `apk add --no-cache "$@"`, packages: map[Program][]string{
		PostgreSQL: {"postgresql"}, RedisServer: {"redis", "valkey"},
	}},
	{program: "pacman", script: `pacman -S --noconfirm --needed "$@"`, packages: map[Program][]string{
		PostgreSQL: {"postgresql"}, RedisServer: {"valkey", "redis"},
	}},
	{program: "brew", script: `brew install "$@"`, asUser: true, packages: map[Program][]string{
		PostgreSQL: {"postgresql@17"}, RedisServer: {"redis"},
	}},
}

func findManager() *manager {
	for i := range managers {
		if _, err := exec.LookPath(managers[i].program); err == nil {
			return &managers[i]
		}
	}
	return nil
}

// line is the command as a person would type it.
func (m *manager) line(what []Program) string {
	words := map[string]string{"zypper": "install", "apk": "add", "pacman": "-S"}
	verb, ok := words[m.program]
	if !ok {
		verb = "install"
	}
	line := m.program + " " + verb
	if !m.asUser {
		line = "sudo " + line
	}
	for _, p := range what {
		line += " " + m.packages[p][0]
	}
	return line
}

// Install makes sure that the programs are on this machine. Those that are not
// it installs with the system's package manager, whose output goes to out, when
// it runs as root or sudo asks for no password. When it cannot, it returns a
// *MissingError, which carries the line to run. Without names it takes all that
// this package can use.
func Install(ctx context.Context, out io.Writer, what ...Program) error {
	if len(what) == 0 {
		what = []Program{PostgreSQL, RedisServer}
	}
	has := func(p Program) bool { return installed(ctx, p) }
	lacking := missing(what, has)
	if len(lacking) == 0 {
		return nil
	}
	m := findManager()
	if m == nil || !m.allowed(ctx) {
		return &MissingError{What: lacking}
	}
	var errs []error
	for _, p := range lacking {
		fmt.Fprintf(out, "installing %s with %s\n", p, m.program)
		if err := m.install(ctx, out, p, has); err != nil {
			errs = append(errs, err)
		}
	}
	if lacking = missing(what, has); len(lacking) > 0 {
		return errors.Join(append([]error{&MissingError{What: lacking}}, errs...)...)
	}
	return nil
}

func installed(ctx context.Context, p Program) bool {
	var err error
	switch p {
	case PostgreSQL:
		_, err = findPostgres(ctx)
	case RedisServer:
		_, err = findRedis()
	default:
		err = errors.New("unknown program")
	}
	return err == nil
}

// allowed reports whether the manager can run without a password prompt.
func (m *manager) allowed(ctx context.Context) bool {
	root := os.Geteuid() == 0
	if m.asUser {
		return !root
	}
	return root || exec.CommandContext(ctx, "sudo", "-n", "true").Run() == nil
}

// install tries the program's packages in turn, since systems differ on whether
// Redis is still packaged or Valkey instead.
func (m *manager) install(ctx context.Context, out io.Writer, p Program, has func(Program) bool) error {
	var errs []error
	for _, name := range m.packages[p] {
		argv := []string{"sh", "-c", m.script, "sh", name}
		if !m.asUser && os.Geteuid() != 0 {
			argv = append([]string{"sudo", "-n"}, argv...)
		}
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Stdout, cmd.Stderr = out, out
		err := cmd.Run()
		if has(p) {
			return nil
		}
		if err == nil {
			err = errors.New("the package brought no program that is new enough")
		}
		errs = append(errs, fmt.Errorf("%s: package %s: %w", m.program, name, err))
	}
	return errors.Join(errs...)
}
