package alert

import (
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	journalSocket = "/run/systemd/journal/socket"
	syslogSocket  = "/dev/log"
	journalName   = "journal"

	// datagramTimeout is how long one line waits for a log daemon that does not
	// read.
	datagramTimeout = time.Second
)

// SystemLog returns the journal if the machine has one, else syslog, else nil.
// ident is the module name, id the watch's identifier.
func SystemLog(ident, id string) Sink {
	return systemLog(journalSocket, syslogSocket, ident, id)
}

func systemLog(journal, syslog, ident, id string) Sink {
	switch {
	case isSocket(journal):
		return newJournal(journal, ident, map[string]string{"FSMON_ID": id})
	case isSocket(syslog):
		return newSyslog(syslog, ident, id)
	default:
		return nil
	}
}

// IsJournal reports whether what is written to f goes to the journal too, line
// by line: systemd says in JOURNAL_STREAM which device and inode leads there
// (systemd.exec(5)).
func IsJournal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

func isSocket(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&fs.ModeSocket != 0
}

// datagrams sends to a log daemon's socket. It dials for each alert: they are
// rare, and a daemon that was restarted has a new socket.
type datagrams struct {
	socket  string
	timeout time.Duration // for each datagram
}

func (d *datagrams) Close() error { return nil }

func (d *datagrams) send(packets []string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: d.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, p := range packets {
		if err := conn.SetWriteDeadline(time.Now().Add(d.timeout)); err != nil {
			return err
		}
		if _, err := conn.Write([]byte(p)); err != nil {
			return err
		}
	}
	return nil
}

// priority returns the severity as RFC 3164 4.1.1 numbers it, which the journal
// shares.
func (s Severity) priority() int {
	switch s {
	case Info:
		return 6
	case Warning:
		return 4
	default:
		return 3
	}
}

type syslogSink struct {
	datagrams
	tag string
	id  string
}

// newSyslog sends alerts to the daemon behind a unix datagram socket in the
// form of RFC 3164 4.1, facility daemon: "<30>Nov 21 20:41:00 sambamon[123]:
// ID: NUMBER SEVERITY text". The 255 bytes of a line begin after "ID: ", since
// an identifier alone may have 255. A daemon that does not read costs one
// second for each line.
func newSyslog(socket, ident, id string) Sink {
	return &syslogSink{
		datagrams: datagrams{socket: socket, timeout: datagramTimeout},
		tag:       fmt.Sprintf("%s[%d]", OneLine(ident, lineBytes), os.Getpid()),
		id:        OneLine(id, lineBytes),
	}
}

func (s *syslogSink) Name() string { return "syslog" }

func (s *syslogSink) Deliver(a Alert) error {
	const daemon = 3 << 3
	header := fmt.Sprintf("<%d>%s %s: %s: ", daemon|a.Severity.priority(),
		a.Time.Local().Format(time.Stamp), s.tag, s.id)
	packets := lines(fmt.Sprintf("%d %s ", a.Number, a.Severity), a)
	for i := range packets {
		packets[i] = header + packets[i]
	}
	return s.send(packets)
}

type journalSink struct {
	datagrams
	fields map[string]string
}

// newJournal sends alerts to the socket of systemd-journald in its native
// protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), an entry a line with the
// fields MESSAGE, PRIORITY, SYSLOG_IDENTIFIER (ident), FSMON_ALERT (the
// number), FSMON_SEVERITY, FSMON_DETAIL if there is one, and the given ones. A
// daemon that does not read costs one second for each line.
//
// The journal package of go-systemd is not used: its socket is fixed, and it
// waits without end for a journald that does not read.
func newJournal(socket, ident string, fields map[string]string) Sink {
	fields = maps.Clone(fields)
	if fields == nil {
		fields = map[string]string{}
	}
	fields["SYSLOG_IDENTIFIER"] = ident
	return &journalSink{datagrams: datagrams{socket: socket, timeout: datagramTimeout},
		fields: fields}
}

func (j *journalSink) Name() string { return journalName }

func (j *journalSink) Deliver(a Alert) error {
	fields := maps.Clone(j.fields)
	fields["PRIORITY"] = strconv.Itoa(a.Severity.priority())
	fields["FSMON_ALERT"] = strconv.Itoa(a.Number)
	fields["FSMON_SEVERITY"] = a.Severity.String()
	if a.Detail != "" {
		fields["FSMON_DETAIL"] = a.Detail
	}
	var packets []string
	for _, line := range lines("", a) {
		fields["MESSAGE"] = line
		packets = append(packets, journalEntry(fields))
	}
	return j.send(packets)
}

// journalEntry writes every field as NAME=value and a newline. No value has a
// newline in it, since OneLine leaves none, so this form of the protocol will
// do.
func journalEntry(fields map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(&b, "%s=%s\n", name, OneLine(fields[name], maxText))
	}
	return b.String()
}
