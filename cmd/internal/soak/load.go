package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// loadArg makes this program one of the processes that keep a machine busy. Its
// further arguments are the kind, for how many seconds, and a file or a size.
const loadArg = "-load"

// loadMain is such a process. It ends by itself when its time is up.
func loadMain(args []string) int {
	if len(args) != 3 {
		return 2
	}
	seconds, err := strconv.Atoi(args[1])
	if err != nil {
		return 2
	}
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	switch args[0] {
	case "busy":
		for n := 0; n%1024 != 0 || time.Now().Before(end); n++ {
		}
	case "write":
		err = writeUntil(end, args[2])
	case "fill":
		var megabytes int
		if megabytes, err = strconv.Atoi(args[2]); err == nil {
			fillUntil(end, megabytes)
		}
	default:
		return 2
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// writeUntil writes and syncs a file of at most 16 MB again and again.
func writeUntil(end time.Time, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for n := int64(0); time.Now().Before(end); n++ {
		if _, err := f.WriteAt(block, n%16<<20); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// fillUntil takes memory a page at a time, gives it back, and begins again.
func fillUntil(end time.Time, megabytes int) {
	for time.Now().Before(end) {
		b, err := syscall.Mmap(-1, 0, megabytes<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		if err != nil {
			return
		}
		for i := 0; i < len(b) && time.Now().Before(end); i += 4096 {
			b[i] = 1
		}
		syscall.Munmap(b)
	}
}

// overload keeps this machine busy: of load processes a fifth write to the
// disk, the others compute, and one fills memory.
type overload struct{ processes []*exec.Cmd }

// startOverload starts it for at most that long. memory is cut to a quarter of what is available.
func startOverload(dir string, load, memory int, most time.Duration) (*overload, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	available, err := availableMB()
	if err != nil {
		return nil, err
	}
	o := new(overload)
	start := func(kind, what string) error {
		cmd := exec.Command(self, loadArg, kind, strconv.Itoa(int(most.Seconds())+1), what)
		cmd.Stderr = os.Stderr
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			return err
		}
		o.processes = append(o.processes, cmd)
		return nil
	}
	for n := range load {
		if kind := "busy"; n%5 > 0 {
			err = errors.Join(err, start(kind, ""))
		} else {
			err = errors.Join(err, start("write", filepath.Join(dir, fmt.Sprintf("load%d", n))))
		}
	}
	if err = errors.Join(err, start("fill", strconv.Itoa(min(memory, available/4)))); err != nil {
		return nil, errors.Join(err, o.end())
	}
	return o, nil
}

// end ends it. A process that had ended by itself is an error: there was less load than was said.
func (o *overload) end() (err error) {
	for _, p := range o.processes {
		p.Process.Kill()
	}
	early := 0
	for _, p := range o.processes {
		p.Wait()
		if !p.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
			early++
		}
	}
	if early > 0 {
		err = fmt.Errorf("%d processes of the load ended by themselves", early)
	}
	return err
}

// availableMB is MemAvailable of proc_meminfo(5).
func availableMB() (int, error) {
	kB, err := field("/proc/meminfo", "MemAvailable")
	return kB / 1024, err
}

// field reads a line like "MemAvailable:   7356 kB".
func field(path, name string) (kB int, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			return strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
		}
	}
	return 0, fmt.Errorf("%s: no %s", path, name)
}

// loadAverage is the load of the last minute (proc_loadavg(5)).
func loadAverage() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	var one float64
	fmt.Sscan(string(b), &one)
	return one
}

// servers are a healthy Samba and a healthy NFS server, whose options for a
// watch args returns by command.
type servers struct {
	args map[string][]string
	stop func() error
}

func startServers(ctx context.Context) (*servers, error) {
	samba, err := smbServer(ctx)
	if err != nil {
		return nil, err
	}
	lab, err := nfsServer(ctx)
	if err != nil {
		return nil, errors.Join(err, samba.Close())
	}
	return &servers{
		args: map[string][]string{
			"clp_sambamon": {"-s", "share", "-a", samba.Address, "--port", strconv.Itoa(samba.Port)},
			"clp_nfsmon":   {"-d", lab.Dir(), "-a", "127.0.0.1"},
		},
		stop: func() error { return errors.Join(lab.Close(), samba.Close()) },
	}, nil
}
