package chaos

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// disk is a small file system in memory, which can be filled.
type disk struct{ dir string }

const diskBytes = "1200m"

func openDisk() (*disk, error) {
	dir, err := os.MkdirTemp("", "oubli-disk-")
	if err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=1777,size="+diskBytes); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	return &disk{dir}, os.Chmod(dir, 0o1777)
}

// within calls f with the directory of temporary files on the disk.
func (d *disk) within(f func() error) error {
	if d == nil {
		return f()
	}
	before, had := os.LookupEnv("TMPDIR")
	if err := os.Setenv("TMPDIR", d.dir); err != nil {
		return err
	}
	defer func() {
		if had {
			_ = os.Setenv("TMPDIR", before)
		} else {
			_ = os.Unsetenv("TMPDIR")
		}
	}()
	return f()
}

// fill uses up all space until free is called.
func (d *disk) fill() (free func() error, err error) {
	name := filepath.Join(d.dir, "ballast")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for block := make([]byte, 1<<20); err == nil; {
		_, err = f.Write(block)
	}
	free = func() error { return os.Remove(name) }
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, errors.Join(err, free())
	}
	return free, nil
}

func (d *disk) Close() error {
	return errors.Join(syscall.Unmount(d.dir, syscall.MNT_DETACH), os.Remove(d.dir))
}
