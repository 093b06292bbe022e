package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"

	"golang.org/x/sys/unix"
)

const (
	nobody = 65534
	// stranger is another user without rights.
	stranger = 65533
	// token is a password that must not be found anywhere.
	token = "s3cret-T0ken-8146"
)

// foreignArg makes the test binary a process of another user that tries to harm
// a watch. Its further arguments are the user, the registry, the identifier,
// the process and the files of the watch.
const foreignArg = "-foreign"

// foreignMain prints every attack that worked.
func foreignMain(user string, args []string) int {
	uid, err := strconv.Atoi(user)
	if err != nil || len(args) < 3 {
		return 2
	}
	for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(uid), syscall.Setuid(uid)} {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	}
	registry, id, process, files := args[0], args[1], args[2], args[3:]
	pid, _ := strconv.Atoi(process)
	entry := filepath.Join(registry, id)
	at := func(name string) string { return filepath.Join(entry, name) }
	open := func(path string, flags int) func() error {
		return func() error {
			fd, err := unix.Open(path, flags|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o666)
			if err == nil {
				unix.Close(fd)
			}
			return err
		}
	}
	attacks := map[string]func() error{
		"signal":                func() error { return syscall.Kill(pid, syscall.SIGTERM) },
		"trace":                 func() error { return syscall.PtraceAttach(pid) },
		"read its environment":  open(fmt.Sprintf("/proc/%d/environ", pid), unix.O_RDONLY),
		"read its memory":       open(fmt.Sprintf("/proc/%d/mem", pid), unix.O_RDONLY),
		"enter its descriptors": open(fmt.Sprintf("/proc/%d/fd", pid), unix.O_RDONLY),
		"hold the lock":         open(at("lock"), unix.O_RDONLY),
		"write the lock":        open(at("lock"), unix.O_RDWR),
		"tell it something":     open(at("control"), unix.O_WRONLY),
		"take what it is told":  open(at("control"), unix.O_RDONLY),
		"write the status":      open(at("status"), unix.O_WRONLY),
		"plant a status":        open(at("status.new"), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL),
		"plant a FIFO":          func() error { return unix.Mkfifo(at("control2"), 0o666) },
		"plant a link": func() error {
			return os.Symlink("/etc/passwd", at("status.new"))
		},
		"plant a hard link": func() error { return os.Link(at("status"), at("hard")) },
		"plant an identifier": func() error {
			return os.Mkdir(filepath.Join(registry, "planted"), 0o777)
		},
		"plant a linked one": func() error {
			return os.Symlink("/tmp", filepath.Join(registry, "planted"))
		},
		"list the entry":       open(entry, unix.O_RDONLY|unix.O_DIRECTORY),
		"remove the lock":      func() error { return os.Remove(at("lock")) },
		"remove the control":   func() error { return os.Remove(at("control")) },
		"remove the status":    func() error { return os.Remove(at("status")) },
		"move the entry":       func() error { return os.Rename(entry, entry+"2") },
		"move the registry":    func() error { return os.Rename(registry, registry+"2") },
		"open up the entry":    func() error { return os.Chmod(entry, 0o777) },
		"open up the lock":     func() error { return os.Chmod(at("lock"), 0o666) },
		"open up the registry": func() error { return os.Chmod(registry, 0o777) },
		"age the lock": func() error {
			return os.Chtimes(at("lock"), time.Unix(1, 0), time.Unix(1, 0))
		},
		"take over the registry": func() error { return os.Chown(registry, uid, uid) },
		"remove all of it":       func() error { return removed(registry) },
		"raise its limits": func() error {
			return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: 3}, nil)
		},
		"make it the first to be killed for memory": func() error {
			return os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("1000"), 0)
		},
	}
	for _, path := range files {
		attacks["read "+path] = open(path, unix.O_RDONLY)
		attacks["write "+path] = open(path, unix.O_WRONLY)
	}
	for name, attack := range attacks {
		if err := attack(); err == nil {
			fmt.Println(name)
		}
	}
	// What every user may see holds no secret.
	for _, path := range []string{at("status"), fmt.Sprintf("/proc/%d/cmdline", pid),
		fmt.Sprintf("/proc/%d/status", pid)} {
		b, err := os.ReadFile(path)
		if err != nil {
			fmt.Printf("%s is not readable: %v\n", path, err)
		}
		if strings.Contains(string(b), token) {
			fmt.Printf("%s holds the password\n", path)
		}
	}
	return 0
}

// removed is an error unless something was removed.
func removed(dir string) error {
	before := 0
	count := func(n *int) {
		filepath.WalkDir(dir, func(string, fs.DirEntry, error) error { *n++; return nil })
	}
	count(&before)
	os.RemoveAll(dir)
	after := 0
	count(&after)
	if after == before {
		return fs.ErrPermission
	}
	return nil
}

// A user without rights can do nothing to a watch of root, and sees no secret.
func TestStrangerAtTheRegistry(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := cmdtest.NewLab(t, "clp_sambamon")
	dir := filepath.Dir(l.Registry)
	for _, open := range []string{dir, filepath.Dir(dir)} {
		must(t, os.Chmod(open, 0o755))
	}
	credentials, metrics, evidence := filepath.Join(dir, "credentials"),
		filepath.Join(dir, "fsmon.prom"), filepath.Join(dir, "evidence")

	must(t, os.WriteFile(credentials, []byte("username=root\npassword=pw\n"), 0o600))
	w := l.Watch("-s", "priv", "-a", s.Address, "--port", fmt.Sprint(s.Port), "-i", "1", "-c", "1",
		"--credentials", credentials,
		"--metrics-file", metrics, "--evidence-dir", evidence)
	w.Message(cmdtest.Watching)
	l.Healthy()
	attack := func(w *cmdtest.Process, files ...string) {
		t.Helper()
		self, err := os.Executable()
		must(t, err)
		cmd := exec.Command(self,
			append([]string{foreignArg, fmt.Sprint(nobody), l.Registry, l.ID, fmt.Sprint(w.PID)},
				files...)...)
		out, err := cmd.CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%v; what worked:\n%s", err, out)
		}
	}
	attack(w, credentials, l.Log)
	l.Healthy()
	w.Told("started watching")

	// A verdict by a wrong password: neither the evidence, nor the log, nor the
	// metrics have it, and only root has the evidence.
	must(t, os.WriteFile(credentials, []byte("username=root\npassword="+token+"\n"), 0o600))
	must(t, exec.Command("smbpasswd", "-c", filepath.Join(s.Dir, "smb.conf"), "-d", "root").Run())
	w.Exits(1)
	below := files(t, dir)
	for path, text := range below {
		if path != credentials && strings.Contains(text, token) {
			t.Errorf("%s holds the password", path)
		}
		info, err := os.Lstat(path)
		must(t, err)
		if strings.HasPrefix(path, evidence) && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
	}
	if !slices.ContainsFunc(slices.Collect(keys(below)),
		func(path string) bool { return strings.HasPrefix(path, evidence) }) {
		t.Error("no evidence")
	}

	// With -p, wiped from the arguments by the time that anybody can look.
	again := l.Watch("-s", "share", "-a", s.Address, "--port", fmt.Sprint(s.Port), "-u",
		"nosuchuser", "-p", token, "-i", "1")
	again.Message(cmdtest.Watching)
	l.Healthy()
	attack(again, l.Log)
	l.Silent("-stop")
	again.Exits(0)
	for path, text := range files(t, dir) {
		if path != credentials && strings.Contains(text, token) {
			t.Errorf("%s holds the password", path)
		}
	}
	if strings.Contains(w.Errors()+again.Errors(), token) {
		t.Error("stderr has had the password")
	}
}

// files is every regular file below dir with its content.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			var b []byte
			b, err = os.ReadFile(path)
			all[path] = string(b)
		}
		return err
	}))
	return all
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Without XDG_RUNTIME_DIR a user's registry is below the directory for
// temporary files, which all may write. Whoever was there first with something
// else is not trusted, and whoever comes later cannot touch it.
func TestRegistryInTheStickyDirectory(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	sticky := func(t *testing.T) (l *cmdtest.Lab, registry string) {
		l = cmdtest.NewLab(t, "clp_sambamon")
		base := filepath.Dir(l.Registry)
		must(t, os.Chmod(filepath.Dir(base), 0o755))
		must(t, os.Chmod(base, 0o755))
		temp := filepath.Join(base, "tmp")
		must(t, os.Mkdir(temp, 0o777))
		must(t, os.Chmod(temp, 0o777|fs.ModeSticky))
		registry = filepath.Join(temp, fmt.Sprintf("fsmon-%d", nobody))
		l.Registry = "" // the default
		l.Env = []string{"TMPDIR=" + temp}
		l.Log = "/dev/null" // refused, which is a message and no more
		l.Attr = syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return l, registry
	}
	args := []string{"-s", "share", "-a", s.Address, "--port", fmt.Sprint(s.Port), "-i", "1"}
	for name, plant := range map[string]func(registry string) error{
		"a stranger's directory": func(r string) error {
			if err := os.Mkdir(r, 0o755); err != nil {
				return err
			}
			return os.Chown(r, stranger, stranger)
		},
		"a link to a stranger's directory": func(r string) error {
			home := r + "-home"
			for _, err := range []error{os.Mkdir(home, 0o777), os.Chmod(home, 0o777),
				os.Chown(home, stranger, stranger), os.Symlink(home, r),
				os.Lchown(r, stranger, stranger)} {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"a link to the user's own directory": func(r string) error {
			home := r + "-home"
			for _, err := range []error{os.Mkdir(home, 0o700), os.Chown(home, nobody, nobody),
				os.Symlink(home, r), os.Lchown(r, stranger, stranger)} {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"a file": func(r string) error { return os.WriteFile(r, nil, 0o644) },
		"one that all may write": func(r string) error {
			if err := os.Mkdir(r, 0o777); err != nil {
				return err
			}
			if err := os.Chmod(r, 0o777); err != nil {
				return err
			}
			return os.Chown(r, nobody, nobody)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, registry := sticky(t)
			must(t, plant(registry))
			w := l.Watch(args...)
			w.Exits(4)
			if text := w.Last(cmdtest.System).Text; !strings.HasSuffix(text, " 1).") { // EPERM
				t.Errorf("%q", text)
			}
			if home, err := os.ReadDir(registry + "-home"); err == nil && len(home) > 0 {
				t.Errorf("followed: %v", home)
			}
		})
	}
	t.Run("in use", func(t *testing.T) {
		t.Parallel()
		l, registry := sticky(t)
		w := l.Watch(args...)
		w.Message(cmdtest.Watching)
		self, err := os.Executable()
		must(t, err)
		out, err := exec.Command(self, foreignArg, fmt.Sprint(stranger), registry, l.ID,
			fmt.Sprint(w.PID)).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%v; what worked:\n%s", err, out)
		}
		l.Silent("-stop")
		w.Exits(0)
	})
}

// Root's watch has its files in a directory that all may write. A stranger
// plants a link there to one of root's directories. Nothing is written through
// it; the watch says so and goes on. A registry behind such a link is refused.
func TestPlantedOnTheWay(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := cmdtest.NewLab(t, "clp_sambamon")
	base := filepath.Dir(l.Registry)
	temp, victim := filepath.Join(base, "tmp"), filepath.Join(base, "victim")
	planted := filepath.Join(temp, "fsmon")
	for _, err := range []error{os.Mkdir(temp, 0o777), os.Chmod(temp, 0o777|fs.ModeSticky),
		os.Mkdir(victim, 0o755),
		os.Symlink(victim, planted), os.Lchown(planted, stranger, stranger)} {
		must(t, err)
	}
	untouched := func() {
		t.Helper()
		if left, err := os.ReadDir(victim); err != nil || len(left) > 0 {
			t.Errorf("the link was followed: %v, %v", left, err)
		}
	}
	const why = "fsmon is a symbolic link of user 65533, which is not followed"

	l.Log = filepath.Join(planted, "watch.log")
	args := []string{"-s", "share", "-a", s.Address, "--port", fmt.Sprint(s.Port), "-i", "1", "-c",
		"1"}
	w := l.Watch(append(args, "--metrics-file", filepath.Join(planted, "fsmon.prom"),
		"--evidence-dir", filepath.Join(planted, "evidence"))...)
	for _, number := range []int{107, 117, 118} {
		w.Message(number)
	}
	w.Message(cmdtest.Watching)
	l.Healthy()
	must(t, s.Kill())
	w.Exits(1)
	w.Message(cmdtest.Terminate)
	// the log, the metrics, and the evidence at the start and at the verdict
	if n := strings.Count(w.Errors(), why); n < 4 {
		t.Errorf("said %d times why:\n%s", n, w.Errors())
	}
	untouched()

	l.Log, l.Registry = "/dev/null", filepath.Join(planted, "registry")
	refused := l.Watch(args...)
	refused.Exits(4)
	refused.Message(cmdtest.System)
	l.Run("-list").Exits(1)
	untouched()
}
