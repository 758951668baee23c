//go:build unix

package local

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is the system account that runs the servers; nil: the caller's.
type account struct {
	name     string
	uid, gid int
}

// unprivileged returns nil unless the caller is root: initdb and postgres
// refuse to run as root, and nothing else here needs it.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 != nil || err2 != nil || uid == 0 {
			continue
		}
		return &account{name: name, uid: uid, gid: gid}, nil
	}
	return nil, errors.New("running as root, and there is no account postgres or nobody to run the servers as")
}

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}

// own makes the account the owner of a path.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// makeDir makes a private directory under the temporary directory, or under
// /tmp when the account cannot reach the former, as with root's own TMPDIR.
func (a *account) makeDir(prefix string) (string, error) {
	parents := []string{os.TempDir()}
	if a != nil {
		parents = append(parents, "/tmp", "/var/tmp")
	}
	var errs []error
	for _, parent := range parents {
		dir, err := os.MkdirTemp(parent, prefix)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err = a.own(dir); err == nil {
			err = a.reaches(dir)
		}
		if err == nil {
			return dir, nil
		}
		_ = os.RemoveAll(dir)
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// reaches reports whether the account can enter dir.
func (a *account) reaches(dir string) error {
	if a == nil {
		return nil
	}
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", `cd "$1" 2>/dev/null`, "sh", dir}, &os.ProcAttr{
		Dir: "/",
		Sys: &syscall.SysProcAttr{Credential: a.credential()},
	})
	if err != nil {
		return err
	}
	state, err := p.Wait()
	if err != nil {
		return err
	}
	if !state.Success() {
		return fmt.Errorf("account %s cannot enter %s", a.name, dir)
	}
	return nil
}
