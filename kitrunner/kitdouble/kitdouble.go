// Package kitdouble plays every command that the kit documents name, for tests.
// Its program, play, acts as the command whose file name it has, such as
// nbtstat.exe. The environment variable KITDOUBLE names a JSON file with the
// state of the cluster and the faults that a test wants: an alias that was
// added is listed, a locked volume stays locked. Every call is appended as a
// line of JSON to a log beside it (.log).
package kitdouble

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Call is one line of the log.
type Call struct {
	Name string   `json:"name"`
	Args []string `json:"args"`
}

// commands are the doubles by their file name in lower case. Each gets the node
// it runs on.
var commands = map[string]func(c *call) int{
	"nbtstat.exe": nbtstat, "sc.exe": sc, "lmservernameadd.exe": nameAdd,
	"lmservernamedel.exe": nameDel,
	"ips_ipchange.exe":    ipChange, "ips_arpupdate.exe": arpUpdate, "arp.exe": arp,
	"ping.exe":       ping,
	"powershell.exe": powershell,
	"emcmd.exe":      emcmd, "volume.exe": volume, "checkvolume.exe": checkVolume,
	"chkntfs.exe":  chkntfs,
	"vssadmin.exe": vssadmin, "schtasks.exe": schtasks, "mountvol.exe": mountvol,
	"eismeventnotice.exe": eventNotice,
	"eventcreate.exe":     func(*call) int { return 0 }, // of the templates
	"flg_create.exe":      flagCreate, "flg_remove.exe": flagRemove, "flg_list.exe": flagList,
	"flg_test.exe": flagTest,
	"ins_list.exe": insList, "ins_setst.exe": insSetState, "ins_remove.exe": insRemove,
	"eqv_list.exe": eqvList, "eqv_remove.exe": eqvRemove, "sys_list.exe": sysList,
	"sys_remove.exe": sysRemove,
	"net_list.exe":   netList, "net_remove.exe": netRemove, "lcdsync.exe": lcdsync, "reg.exe": reg,
}

// Main plays the command as which this program was started.
func Main() {
	if tether := os.Getenv("KITDOUBLE_TETHER"); tether != "" {
		hang(tether)
	}
	code, err := run(os.Getenv("KITDOUBLE"), strings.ToLower(filepath.Base(os.Args[0])),
		os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kitdouble:", err)
		code = 250
	}
	os.Exit(code)
}

// run plays one command. It writes the changed state back unless the command is
// made to fail.
func run(file, name string, args []string, w io.Writer) (code int, err error) {
	if file == "" {
		return 0, fmt.Errorf("KITDOUBLE is not set")
	}
	if err := record(file+".log", Call{name, args}); err != nil {
		return 0, err
	}
	unlock, err := lock(file)
	if err != nil {
		return 0, err
	}
	defer unlock()
	s, err := Load(file)
	if err != nil {
		return 0, err
	}
	fault := s.fault(name, args)
	if err := s.Save(file); err != nil { // a fault that is for a number of calls counts down
		return 0, err
	}
	switch fault.Mode {
	case "exit":
		fmt.Fprint(w, fault.Output)
		return fault.Code, nil
	case "garbage":
		w.Write(garbage)
		return fault.Code, nil
	case "flood":
		for range 3 << 10 {
			w.Write(bytes.Repeat([]byte("flood\r\n"), 1024/7))
		}
		return fault.Code, nil
	case "hang":
		unlock()
		return 0, hangWithChild(fault.Tether)
	}
	c := &call{s: s, node: s.Nodes[s.Self], args: args}
	code = c.play(name)
	if _, err := w.Write(c.out.Bytes()); err != nil {
		return 0, err
	}
	return code, s.Save(file)
}

// garbage is neither UTF-8 nor code page 932, has no line that any command
// prints, and a NUL.
var garbage = []byte("\x00\xff\xfe\x80\x81\x0c<>{}<zz>:::: \xf0\x9f -1 \r\r\n" +
	"\x1b[2J%1 %s\n\xfd\xfd\xfd")

// play runs the double of a command on the call's node.
func (c *call) play(name string) int {
	if name == "lcdremexec.exe" {
		return remote(c)
	}
	if f := commands[name]; f != nil {
		return f(c)
	}
	c.printf("%s is no command of the documents\n", name)
	return 251
}

func record(file string, c Call) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(append(line, '\n'))
	return err
}

// hangWithChild hangs together with a child, which must be ended with it.
func hangWithChild(tether string) error {
	if err := startChild(tether); err != nil {
		return err
	}
	hang(tether)
	return nil
}

func startChild(tether string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), "KITDOUBLE_TETHER="+tether)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	return child.Start()
}

// hang connects to the test, which learns in this way that the command hangs,
// and hangs until the test closes the connection. If the test never does, the
// command ends after half an hour.
func hang(tether string) {
	conn, err := net.Dial("tcp", tether)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kitdouble:", err)
		os.Exit(252)
	}
	conn.SetReadDeadline(time.Now().Add(30 * time.Minute))
	conn.Read(make([]byte, 1))
	os.Exit(253)
}
