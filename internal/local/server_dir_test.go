//go:build unix

package local

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

func TestNothingIsLeftWhenTheServersAreClosed(t *testing.T) {
	t.Parallel()
	p, r := mustStartPostgres(t), mustStartRedis(t, RedisOptions{})
	dirs := []*serverDir{p.dir, r.server.(*redisServer).dir}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range dirs {
		if _, err := os.Lstat(d.root); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", d.root, err)
		}
		if d.proc.running() {
			t.Errorf("process %d still runs", d.proc.cmd.Process.Pid)
		}
	}
	if err := p.Start(t.Context()); err == nil {
		t.Error("a closed server started again")
	}
}

func TestNothingIsLeftWhenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	t.Run("as the caller", func(t *testing.T) {
		t.Parallel()
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		killAndLook(t, exe, nil)
	})
	t.Run("as an unprivileged account", func(t *testing.T) {
		t.Parallel()
		if os.Geteuid() != 0 {
			t.Skip("only root can become another account, and the caller is unprivileged already")
		}
		acc, err := unprivileged()
		if err != nil {
			t.Fatal(err)
		}
		killAndLook(t, reachableCopy(t), acc.credential())
	})
}

func killAndLook(t *testing.T, exe string, who *syscall.Credential) {
	t.Helper()
	cmd := exec.Command(exe)
	cmd.Dir = "/"
	cmd.Env = []string{helperKey + "=1", "PATH=" + os.Getenv("PATH")}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var h helperReport
	if err := json.NewDecoder(out).Decode(&h); err != nil {
		_ = cmd.Process.Kill()
		t.Fatalf("the helper did not start its servers: %v", err)
	}
	for _, pid := range h.Pids {
		if !alive(pid) {
			t.Errorf("process %d does not run, so its end would show nothing", pid)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for _, pid := range h.Pids {
		eventually(t, "process "+strconv.Itoa(pid)+" gone", func() bool { return !alive(pid) })
	}
	for _, dir := range h.Dirs {
		eventually(t, dir+" gone", func() bool {
			_, err := os.Lstat(dir)
			return os.IsNotExist(err)
		})
	}
}

// alive checks with signal 0. EPERM means that the process exists, too.
func alive(pid int) bool {
	return syscall.Kill(pid, 0) != syscall.ESRCH
}

// reachableCopy copies the test binary to where other accounts can run it: go
// test keeps it in a directory of root's own.
func reachableCopy(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "oubli-helper-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path := filepath.Join(dir, "helper")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestServersNeverRunAsRoot(t *testing.T) {
	t.Parallel()
	p := mustStartPostgres(t)
	info, err := os.Stat(p.dir.path("data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid == 0 {
		t.Error("PostgreSQL runs as root")
	}
	if info, err = os.Stat(p.dir.root); err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("the server's directory: got mode %o, want 700", got)
	}
}

func TestRootWritesThroughNoLinkInTheServersDirectory(t *testing.T) {
	t.Parallel()
	d, err := openServerDir("test", "KILL")
	if err != nil {
		t.Fatal(err)
	}
	defer d.close(syscall.SIGKILL)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.Symlink(victim, d.path("redis.conf")); err != nil {
		t.Fatal(err)
	}
	if err := d.write("redis.conf", "x"); err == nil {
		t.Error("wrote through a link")
	}
	if _, err := os.Lstat(victim); !os.IsNotExist(err) {
		t.Errorf("the link's target was made: %v", err)
	}
}
