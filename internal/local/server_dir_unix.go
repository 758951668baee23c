//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopPatience is how long a server may take to follow a signal before it is
// killed.
const stopPatience = 20 * time.Second

// watchdog reads the process group that it must end, one line each time it
// changes. It acts when its standard input closes. $1 is the directory, $2 the
// signal that ends the server without saving.
const watchdog = `
group=
while read -r line; do group=$line; done
if [ -n "$group" ]; then
	kill -s "$2" -- "-$group" 2>/dev/null
	tries=0
	while kill -s 0 -- "-$group" 2>/dev/null && [ "$tries" -lt 150 ]; do
		sleep 0.05 || sleep 1
		tries=$((tries + 1))
		[ "$tries" -ne 120 ] || kill -s KILL -- "-$group" 2>/dev/null
	done
fi
rm -rf -- "$1"
`

// serverDir is the private directory of one server, its watchdog, and the process
// that runs in it. At most one process runs in it at a time.
type serverDir struct {
	root     string
	account  *account
	watchdog *exec.Cmd
	lifeline io.WriteCloser

	mu     sync.Mutex
	proc   *process
	closed bool
}

// openServerDir makes the directory. abort names the signal, as in kill(1), that
// ends the server without saving, for when the directory is removed anyway.
func openServerDir(name, abort string) (*serverDir, error) {
	acc, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := acc.makeDir("oubli-" + name + "-")
	if err != nil {
		return nil, err
	}
	d := &serverDir{root: dir, account: acc}
	d.watchdog = exec.Command("/bin/sh", "-c", watchdog, "oubli-watchdog", dir, abort)
	// A session of its own: Ctrl-C at the terminal must not reach the watchdog,
	// nor the servers before their users have shut down.
	d.watchdog.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: acc.credential()}
	d.watchdog.Dir = "/"
	d.watchdog.Env = cleanEnv()
	if d.lifeline, err = d.watchdog.StdinPipe(); err == nil {
		err = d.watchdog.Start()
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("start watchdog of %s: %w", name, err)
	}
	return d, nil
}

// path returns a path inside the directory.
func (d *serverDir) path(elem ...string) string {
	return filepath.Join(append([]string{d.root}, elem...)...)
}

// write creates a file in the directory that only the server's account may read.
func (d *serverDir) write(name, content string) error {
	f, err := d.open(name, os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Close(), d.account.own(d.path(name)))
}

// open opens a file in the directory for writing. It follows no symbolic link:
// the account can write to the directory, and must not make root write elsewhere.
func (d *serverDir) open(name string, flag int) (*os.File, error) {
	return os.OpenFile(d.path(name), flag|os.O_CREATE|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
}

// process is a running program. done is closed after it has ended, and err is
// then how it ended.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// spawn runs a program in the directory, with its output appended to the server's log.
func (d *serverDir) spawn(program string, args ...string) (*process, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fmt.Errorf("start %s: already closed", filepath.Base(program))
	}
	if d.proc != nil && d.proc.running() {
		return nil, fmt.Errorf("start %s: already running", filepath.Base(program))
	}
	log, err := d.open("log", os.O_APPEND)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &process{cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Dir = d.root
	p.cmd.Env = cleanEnv()
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: d.account.credential()}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	d.proc = p
	d.tell(strconv.Itoa(p.cmd.Process.Pid))
	go func() {
		p.err = p.cmd.Wait()
		d.mu.Lock()
		if d.proc == p {
			// Another process may soon get the same number.
			d.tell("")
		}
		d.mu.Unlock()
		close(p.done)
	}()
	return p, nil
}

func (d *serverDir) tell(group string) {
	if !d.closed {
		_, _ = io.WriteString(d.lifeline, group+"\n")
	}
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// run runs a program to its end.
func (d *serverDir) run(ctx context.Context, program string, args ...string) error {
	p, err := d.spawn(program, args...)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		d.stop(syscall.SIGKILL)
		return ctx.Err()
	}
}

// stop ends the server's process, if one runs, and waits until it has ended.
func (d *serverDir) stop(sig syscall.Signal) {
	d.mu.Lock()
	p := d.proc
	d.mu.Unlock()
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	patience := time.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-p.done:
	case <-patience.C:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

// close ends the process without saving and removes the directory. It may be
// called more than once.
func (d *serverDir) close(abort syscall.Signal) error {
	d.stop(abort)
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	d.mu.Unlock()
	_ = d.lifeline.Close()
	_ = d.watchdog.Wait()
	// The watchdog's account may not be allowed to unlink the directory itself.
	if err := os.RemoveAll(d.root); err != nil {
		return fmt.Errorf("remove %s: %w", d.root, err)
	}
	return nil
}

// logTail returns the last lines that the server's programs wrote, on one line.
func (d *serverDir) logTail() string {
	b, err := os.ReadFile(d.path("log"))
	if err != nil {
		return "no log"
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}

// cleanEnv removes the caller's PGPORT, PGDATA, LANG and the like from the
// servers' environment.
func cleanEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH") + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
}
