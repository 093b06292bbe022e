package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
)

// Under systemd stderr leads to the journal. Messages go there once, and
// natively; what is for people who sit at the terminal stays on stderr.
func TestJournalGetsMessagesOnce(t *testing.T) {
	t.Parallel()
	const verdict = "1 101 101 0 66 6 "
	for name, c := range map[string]struct {
		args     []string
		stream   bool   // stderr is the journal's
		code     int    // at the end
		journal  string // numbers of the messages that the journal gets
		messages bool   // stderr has them too
		people   bool   // stderr has a line for people
	}{
		"a watch under systemd":    {[]string{"w", "-a", "127.0.0.99"}, true, 1, verdict, false, false},
		"a watch in a terminal":    {[]string{"w", "-a", "127.0.0.99"}, false, 1, verdict, true, false},
		"wrong usage in a unit":    {[]string{"w", "-a", ""}, true, 2, "11 ", false, true},
		"wrong usage, by a person": {[]string{"w", "-a", ""}, false, 2, "11 ", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			socket, err := net.ListenUnixgram("unixgram",
				&net.UnixAddr{Name: filepath.Join(dir, "socket"), Net: "unixgram"})
			must(t, err)
			defer socket.Close()
			stderr, err := os.Create(filepath.Join(dir, "stderr"))
			must(t, err)
			defer stderr.Close()
			info, err := stderr.Stat()
			must(t, err)
			stat := info.Sys().(*syscall.Stat_t)
			inode := stat.Ino
			if !c.stream {
				inode++
			}
			cmd := exec.Command("unshare", append([]string{"--mount", "--", "/bin/sh", "-c",
				`mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal &&
				mount --bind "$0" /run/systemd/journal && exec "$@"`, dir,
				cmdtest.Program("clp_nfsmon")}, append(c.args, "-d", "/export", "--nfs-version", "4",
				"-i", "1", "-c", "1", "-r", "20", "--no-evidence", "--log-file", dir+"/log")...)...)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "FSMON_REGISTRY=" + dir + "/registry",
				fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, inode)}
			cmd.Stderr = stderr
			cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != c.code {
				t.Errorf("code %d", code)
			}
			socket.SetReadDeadline(time.Now().Add(time.Minute))
			got, packet := "", make([]byte, 64<<10)
			for len(got) < len(c.journal) {
				n, err := socket.Read(packet)
				must(t, err)
				number := regexp.MustCompile(`(?m)^FSMON_ALERT=(\d+)$`).FindSubmatch(packet[:n])
				if !strings.HasPrefix(messageOf(packet[:n]), "... ") {
					got += string(number[1]) + " "
				}
			}
			if got != c.journal {
				t.Errorf("the journal got %s", got)
			}
			text, err := os.ReadFile(stderr.Name())
			must(t, err)
			if messages := strings.Contains(string(text), " nfsmon "); messages != c.messages {
				t.Errorf("stderr: %s", text)
			}
			if people := strings.Contains(string(text), "clp_nfsmon: error: "); people != c.people {
				t.Errorf("stderr: %s", text)
			}
		})
	}
}

// messageOf is the text of an entry of the journal.
func messageOf(entry []byte) string {
	_, text, _ := strings.Cut(string(entry), "MESSAGE=")
	text, _, _ = strings.Cut(text, "\n")
	return text
}
