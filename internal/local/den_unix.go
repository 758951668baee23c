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

// janitor is told the process group to end, one line each time it changes, and
// acts when its standard input ends. $1 is the directory, $2 the signal that
// makes the server drop everything at once.
const janitor = `
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

// den is the private directory of one server, its janitor, and the process that
// lives in it. At most one process lives in a den at a time.
type den struct {
	dir     string
	account *account
	janitor *exec.Cmd
	leash   io.WriteCloser

	mu     sync.Mutex
	proc   *process
	closed bool
}

// openDen makes the directory. abort names the signal, as in kill(1), that ends
// the server without any saving, for use when the directory goes anyway.
func openDen(name, abort string) (*den, error) {
	acc, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := acc.makeDir("oubli-" + name + "-")
	if err != nil {
		return nil, err
	}
	d := &den{dir: dir, account: acc}
	d.janitor = exec.Command("/bin/sh", "-c", janitor, "oubli-janitor", dir, abort)
	// A session of its own: Ctrl-C at the terminal must not reach the janitor,
	// nor the servers before their users have shut down.
	d.janitor.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: acc.credential()}
	d.janitor.Dir = "/"
	d.janitor.Env = cleanEnv()
	if d.leash, err = d.janitor.StdinPipe(); err == nil {
		err = d.janitor.Start()
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("start janitor of %s: %w", name, err)
	}
	return d, nil
}

// path returns a path inside the den.
func (d *den) path(elem ...string) string {
	return filepath.Join(append([]string{d.dir}, elem...)...)
}

// write creates a file in the den that only the den's account may read.
func (d *den) write(name, content string) error {
	f, err := d.open(name, os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Close(), d.account.own(d.path(name)))
}

// open opens a file in the den for writing. It follows no link: root must not be
// led out of a directory that the account can write to.
func (d *den) open(name string, flag int) (*os.File, error) {
	return os.OpenFile(d.path(name), flag|os.O_CREATE|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
}

// process is a running program. done is closed after it has ended, and err is
// then how it ended.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// spawn runs a program in the den, with its output appended to the den's log.
func (d *den) spawn(program string, args ...string) (*process, error) {
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
	p.cmd.Dir = d.dir
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
			// The number may soon belong to a stranger.
			d.tell("")
		}
		d.mu.Unlock()
		close(p.done)
	}()
	return p, nil
}

func (d *den) tell(group string) {
	if !d.closed {
		_, _ = io.WriteString(d.leash, group+"\n")
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
func (d *den) run(ctx context.Context, program string, args ...string) error {
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

// stop ends the den's process, if one runs, and waits until it has ended.
func (d *den) stop(sig syscall.Signal) {
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
func (d *den) close(abort syscall.Signal) error {
	d.stop(abort)
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	d.mu.Unlock()
	_ = d.leash.Close()
	_ = d.janitor.Wait()
	// The janitor's account may not be allowed to unlink the directory itself.
	if err := os.RemoveAll(d.dir); err != nil {
		return fmt.Errorf("remove %s: %w", d.dir, err)
	}
	return nil
}

// logTail returns the last lines that the den's programs wrote, on one line.
func (d *den) logTail() string {
	b, err := os.ReadFile(d.path("log"))
	if err != nil {
		return "no log"
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}

// cleanEnv keeps the caller's PGPORT, PGDATA, LANG and the like away from the
// servers.
func cleanEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH") + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
}
