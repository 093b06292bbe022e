package smbtest

import (
	"context"
	"net"
	"os/exec"
	"testing"
)

// Client runs smbclient on a share of the server at "address:port", and returns
// what it printed. A login is "user%password", or empty for an anonymous one.
// Without -c in further arguments it only connects to the share.
func Client(t testing.TB, addr, share, login string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), endTime)
	defer cancel()
	path, err := lookPath("smbclient", "smbclient")
	Require(t, err)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	if login == "" {
		login = "%" // anonymous; --no-pass would first try the caller's own name
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(ctx, path, append([]string{
		"//" + host + "/" + share, "-p", port, "-U", login, "-c", "exit",
		"--configfile=/dev/null", "--option=cache directory=" + dir,
		"--option=lock directory=" + dir, "--option=state directory=" + dir,
		"--option=private dir=" + dir,
	}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
