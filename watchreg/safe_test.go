package watchreg

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestValidID(t *testing.T) {
	for _, id := range []string{"a", "7", "sambawatch", "A.b_c-D9", "0-", strings.Repeat("x", 255),
		"status.new", "lock"} {
		if err := ValidID(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, id := range []string{"", ".", "..", ".a", "-a", "_a", "a/b", "a b", "a\n", "é", "a\x00",
		"a*", strings.Repeat("x", 256)} {
		if ValidID(id) == nil {
			t.Errorf("%q is accepted", id)
		}
	}
}

func TestLongestIDOnDisk(t *testing.T) {
	reg, dir := open(t)
	id := strings.Repeat("x", 255)
	c := claim(t, reg, id)
	must(t, c.WriteStatus(Status{Note: "x"}))
	must(t, reg.Send(deadline(t), id, Control{Verb: Stop}))
	if got := <-c.Controls(); got.Verb != Stop {
		t.Errorf("got %v", got)
	}
	entries, err := reg.List()
	must(t, err)
	if len(entries) != 1 || entries[0].ID != id || !entries[0].Live || entries[0].Status.ID != id {
		t.Errorf("listed %+v", entries)
	}
	must(t, c.Release())
	leftover(t, dir, id)
	must(t, reg.Delete(id))
}

func TestInvalidIDsTouchNothing(t *testing.T) {
	reg, dir := open(t)
	outside := filepath.Join(filepath.Dir(dir), "outside")
	must(t, os.Mkdir(outside, 0o755))
	for _, id := range []string{"../outside", "..", ".", "", "/etc"} {
		_, claimErr := reg.Claim(id)
		_, readErr := reg.Read(id)
		for _, err := range []error{claimErr, readErr, reg.Delete(id),
			reg.Send(t.Context(), id, Control{Verb: Stop}),
			reg.WaitGone(t.Context(), id)} {
			if err == nil || errors.Is(err, ErrUnknown) {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
	if got := names(t, outside); got != nil {
		t.Errorf("outside the registry: %v", got)
	}
}

func TestDefaultDir(t *testing.T) {
	t.Setenv("FSMON_REGISTRY", "/some/where")
	if got := DefaultDir(); got != "/some/where" {
		t.Error(got)
	}
	t.Setenv("FSMON_REGISTRY", "")
	t.Setenv("TMPDIR", "/temp")
	for _, c := range []struct {
		uid       int
		xdg, want string
	}{
		{0, "/run/user/0", "/run/fsmon"},
		{1000, "/run/user/1000", "/run/user/1000/fsmon"},
		{1000, "relative", "/temp/fsmon-1000"},
		{1000, "", "/temp/fsmon-1000"},
	} {
		t.Setenv("XDG_RUNTIME_DIR", c.xdg)
		if got := defaultDir(c.uid); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestUntrustedPlacesAreRefused(t *testing.T) {
	type place struct { // where a registry is to be
		name string
		make func(parent, dir string) error
		bad  string // which path is named; empty: accepted
	}
	chmod := func(parent, registry fs.FileMode) func(string, string) error {
		return func(p, d string) error {
			return errors.Join(os.Mkdir(d, 0o700), os.Chmod(d, registry), os.Chmod(p, parent))
		}
	}
	places := []place{
		{"private", chmod(0o700, 0o700), ""},
		{"sticky parent", chmod(0o777|fs.ModeSticky, 0o755), ""},
		{"parent of a user's own group", chmod(0o775, 0o755), ""},
		{"parent for all", chmod(0o777, 0o755), "parent"},
		{"for all", chmod(0o755, 0o777), "parent/registry"},
		{"for all, sticky", chmod(0o755, 0o777|fs.ModeSticky), "parent/registry"},
		{"for a group", chmod(0o755, 0o775), "parent/registry"},
		{"symbolic link", func(p, d string) error { return os.Symlink("/", d) }, "parent/registry"},
		{"dangling link", func(p, d string) error { return os.Symlink("none", d) },
			"parent/registry"},
		{"file", func(p, d string) error { return os.WriteFile(d, nil, 0o600) }, "parent/registry"},
	}
	if os.Geteuid() == 0 { // only root can give things away
		places = append(places,
			place{"another user's", func(p, d string) error {
				return errors.Join(os.Mkdir(d, 0o755), os.Lchown(d, 65534, 65534))
			}, "parent/registry"},
			place{"in another user's",
				func(p, d string) error { return os.Lchown(p, 65534, 65534) }, "parent"},
		)
	}
	for _, c := range places {
		t.Run(c.name, func(t *testing.T) {
			base := t.TempDir()
			parent := filepath.Join(base, "parent")
			dir := filepath.Join(parent, "registry")
			must(t, os.Mkdir(parent, 0o755))
			must(t, c.make(parent, dir))
			for _, f := range []func(string) (*Registry, error){OpenExisting, Open} {
				_, err := f(dir)
				if c.bad == "" {
					must(t, err)
					continue
				}
				if _, statErr := os.Lstat(dir); statErr == nil || c.bad == "parent" {
					wantUnsafe(t, err, filepath.Join(base, c.bad))
				}
			}
		})
	}
}

func TestLinksAboveTheRegistryAreResolvedOnce(t *testing.T) {
	base := t.TempDir()
	must(t, os.Mkdir(filepath.Join(base, "first"), 0o755))
	must(t, os.Mkdir(filepath.Join(base, "second"), 0o755))
	link := filepath.Join(base, "link")
	must(t, os.Symlink("first", link))
	reg, err := Open(filepath.Join(link, "registry") + "/")
	must(t, err)
	must(t, os.Remove(link))
	must(t, os.Symlink("second", link))
	claim(t, reg, "web")
	if got := names(t, filepath.Join(base, "first", "registry")); len(got) != 1 {
		t.Errorf("the claim went elsewhere: %v", got)
	}
}

// A link that another user has planted above the registry is not followed,
// whoever owns the directory that it leads to.
func TestStrangersLinkAboveTheRegistry(t *testing.T) {
	if os.Geteuid() != 0 { // only root can give things away
		if os.Getenv("CI") == "true" {
			t.Fatal("this needs root")
		}
		t.Skip("this needs root")
	}
	base := t.TempDir()
	victim, link := filepath.Join(base, "victim"), filepath.Join(base, "planted")
	outer := filepath.Join(base, "outer")
	must(t, os.Mkdir(victim, 0o755))
	must(t, os.Symlink("victim", link))
	must(t, os.Symlink("./planted/../planted", outer))
	for _, dir := range []string{link, outer} {
		_, err := Open(filepath.Join(dir, "own", "registry")) // root's own link
		must(t, err)
	}
	must(t, os.RemoveAll(filepath.Join(victim, "own")))
	must(t, os.Lchown(link, 65534, 65534))
	for _, dir := range []string{link, outer} {
		for _, f := range []func(string) (*Registry, error){OpenExisting, Open} {
			_, err := f(filepath.Join(dir, "registry"))
			wantUnsafe(t, err, link)
			_, err = f(filepath.Join(dir, "own", "registry"))
			wantUnsafe(t, err, link)
		}
	}
	if made := names(t, victim); len(made) > 0 {
		t.Errorf("it was followed: %v", made)
	}
}

func TestRegistryBehindALoop(t *testing.T) {
	loop := filepath.Join(t.TempDir(), "loop")
	must(t, os.Symlink("loop", loop))
	for _, f := range []func(string) (*Registry, error){OpenExisting, Open} {
		if _, err := f(filepath.Join(loop, "registry")); !errors.Is(err, unix.ELOOP) {
			t.Errorf("error %v, want ELOOP", err)
		}
	}
}

func TestRegistryIsCreatedWithItsParents(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "registry")
	_, err := Open(dir)
	must(t, err)
	_, err = Open(dir)
	must(t, err)
}

// Whatever is planted in place of one of our files is refused, and nothing
// happens to what a link leads to.
func TestPlantedFilesAreRefused(t *testing.T) {
	victim := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "victim")
		must(t, os.WriteFile(path, []byte("precious"), 0o640))
		return path
	}
	plants := map[string]func(path, victim string) error{
		"link":      func(path, victim string) error { return os.Symlink(victim, path) },
		"dangling":  func(path, victim string) error { return os.Symlink(victim+"2", path) },
		"directory": func(path, victim string) error { return os.Mkdir(path, 0o755) },
		"fifo":      func(path, victim string) error { return unix.Mkfifo(path, 0o600) },
		"file":      func(path, victim string) error { return os.WriteFile(path, nil, 0o600) },
		"socket": func(path, victim string) error {
			return unix.Mknod(path, unix.S_IFSOCK|0o600, 0)
		},
	}
	if os.Geteuid() == 0 {
		plants["another user's"] = func(path, victim string) error {
			var err error
			switch filepath.Base(path) {
			case "web":
				err = os.Mkdir(path, 0o777)
			case controlName:
				err = unix.Mkfifo(path, 0o666)
			default:
				err = os.WriteFile(path, []byte(`{"format":1}`), 0o666)
			}
			return errors.Join(err, os.Lchown(path, 65534, 65534))
		}
	}
	own := map[string]string{".": "directory", lockName: "file", controlName: "fifo",
		statusName: "file", statusTemp: "file"}
	for name, right := range own {
		for kind, plant := range plants {
			if kind == right {
				continue
			}
			t.Run(kind+" as "+name, func(t *testing.T) {
				reg, dir := open(t)
				path := filepath.Join(dir, "web", name)
				if name != "." {
					must(t, os.Mkdir(filepath.Dir(path), 0o711))
				}
				if name != "." && name != lockName {
					must(t, os.WriteFile(filepath.Join(dir, "web", lockName), nil, 0o600))
				}
				target := victim(t)
				must(t, plant(path, target))
				before, err := os.Lstat(path)
				must(t, err)

				if name == statusName {
					_, err = reg.Read("web")
					wantUnsafe(t, err, path)
				}
				// A FIFO or a socket in place of control, which nobody reads,
				// means that no watch is there.
				silent := name == controlName && (kind == "socket" || kind == "another user's")
				if name != statusName && name != statusTemp && !silent {
					wantUnsafe(t, reg.Send(t.Context(), "web", Control{Verb: Stop}), path)
					wantUnsafe(t, reg.WaitGone(t.Context(), "web"), path)
					_, err = reg.Read("web")
					wantUnsafe(t, err, path)
				}
				_, err = reg.Claim("web")
				wantUnsafe(t, err, path)
				wantUnsafe(t, reg.Delete("web"), path)

				after, err := os.Lstat(path)
				must(t, err)
				if !os.SameFile(before, after) || before.Mode() != after.Mode() {
					t.Errorf("what was planted was touched: %v, now %v", before.Mode(),
						after.Mode())
				}
				if data, err := os.ReadFile(target); err != nil || string(data) != "precious" {
					t.Errorf("the victim holds %q %v", data, err)
				}
				if got := names(t, filepath.Dir(target)); len(got) != 1 {
					t.Errorf("beside the victim: %v", got)
				}
			})
		}
	}
}

// Another user's process that reads a FIFO in place of control is not taken for
// a watch.
func TestForeignReaderIsRefused(t *testing.T) {
	reg, dir := open(t)
	must(t, os.Mkdir(filepath.Join(dir, "web"), 0o711))
	must(t, os.WriteFile(filepath.Join(dir, "web", lockName), nil, 0o600))
	path := filepath.Join(dir, "web", controlName)
	real := path
	if os.Geteuid() != 0 {
		// Only root can give one away: a link is refused in the same way.
		real = filepath.Join(t.TempDir(), "fifo")
		must(t, os.Symlink(real, path))
	}
	must(t, unix.Mkfifo(real, 0o600))
	f, err := os.OpenFile(real, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	if os.Geteuid() == 0 {
		must(t, os.Lchown(path, 65534, 65534))
	}
	wantUnsafe(t, reg.Send(t.Context(), "web", Control{Verb: Stop}), path)
	wantUnsafe(t, reg.WaitGone(t.Context(), "web"), path)
	_, err = reg.Read("web")
	wantUnsafe(t, err, path)
	_, err = reg.Claim("web")
	wantUnsafe(t, err, path)
}

// A live watch meets planted files too.
func TestPlantedWhileLive(t *testing.T) {
	reg, dir := open(t)
	c := claim(t, reg, "web")
	target := filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(target, []byte("precious"), 0o600))
	temp := filepath.Join(dir, "web", statusTemp)
	must(t, os.Symlink(target, temp))
	wantUnsafe(t, c.WriteStatus(Status{}), temp)
	must(t, os.Remove(temp))
	must(t, unix.Mkfifo(temp, 0o600)) // opening it for writing would hang
	wantUnsafe(t, c.WriteStatus(Status{}), temp)
	must(t, os.Remove(temp))
	must(t, c.WriteStatus(Status{}))
	if data, err := os.ReadFile(target); err != nil || string(data) != "precious" {
		t.Errorf("the victim holds %q %v", data, err)
	}
}
