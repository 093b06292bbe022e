package smbtest

import (
	"bufio"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

//go:embed impacket.py
var impacketScript string

// Impacket starts impacket's SMB server (Debian: python3-impacket), a server of
// another kind than Samba: SMB 2.0.2 alone, LOGOFF answered with session ID 0.
// It returns its address. With user and password it serves only that user,
// without them everybody, as guest or anonymous. Its only share is SHARE. It
// ends in t.Cleanup, and with this process however that ends. Without impacket
// it ends the test, as Require does.
func Impacket(t testing.TB, login ...string) (addr string) {
	t.Helper()
	// Debian's Python: another one in PATH does not see Debian's modules.
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-Ic", "import impacket").Run(); err != nil {
		Require(t, fmt.Errorf("impacket (package python3-impacket): %w", exec.ErrNotFound))
	}
	args := append([]string{"-Ic", impacketScript, t.TempDir()}, login...)
	cmd := exec.Command(python, args...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Process.Kill() // a start that failed does not read its input
		cmd.Wait()         // says that it was killed
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("impacket did not start: %v", err)
	}
	return "127.0.0.1:" + strings.TrimSpace(port)
}
