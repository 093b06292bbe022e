package smbprobe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	cloudsoda "github.com/cloudsoda/go-smb2"
	hirochachacha "github.com/hirochachacha/go-smb2"

	"fsmon/smbprobe/smbtest"
)

// An opinion is what one client says of one login at one share: "healthy", the
// name of the NTSTATUS that it was refused with, or "failed: " and how.

// libraries are asked in a child process, since a stray frame ends it.
var libraries = []string{"cloudsoda", "hirochachacha"}

// libraryTime is the deadline of one question to a library.
const libraryTime = 20 * time.Second

const hangs = "failed: hangs past its deadline"

type question struct {
	Library string
	Config  Config
}

func init() { childRoles["library"] = answerQuestions }

// answerQuestions is the child process: one line of JSON asks, one line of text
// answers.
func answerQuestions() {
	for in := json.NewDecoder(os.Stdin); ; {
		var q question
		if in.Decode(&q) != nil {
			return
		}
		answer := make(chan string, 1)
		go func() { answer <- q.ask() }()
		select {
		case text := <-answer:
			fmt.Println(text)
		case <-time.After(patience):
			fmt.Println(hangs)
			return
		}
	}
}

// ask goes as far as the tree connect.
func (q question) ask() string {
	ctx, cancel := context.WithTimeout(context.Background(), libraryTime)
	defer cancel()
	c := q.Config
	conn, err := net.Dial("tcp", net.JoinHostPort(c.Address, strconv.Itoa(c.Port)))
	if err != nil {
		return opinion(err)
	}
	defer conn.Close()
	switch q.Library {
	case "cloudsoda":
		login := &cloudsoda.NTLMInitiator{User: c.User, Password: c.Password}
		s, err := (&cloudsoda.Dialer{Initiator: login}).DialConn(ctx, conn, c.Address)
		if err != nil {
			return opinion(err)
		}
		_, err = s.WithContext(ctx).Mount(`\\` + c.Address + `\` + c.Share)
		return opinion(err)
	case "hirochachacha":
		login := &hirochachacha.NTLMInitiator{User: c.User, Password: c.Password}
		s, err := (&hirochachacha.Dialer{Initiator: login}).DialContext(ctx, conn)
		if err != nil {
			return opinion(err)
		}
		_, err = s.WithContext(ctx).Mount(c.Share)
		return opinion(err)
	}
	return "failed: no such library"
}

// noFiles is the opinion of a share that is served, but is no disk.
const noFiles = "failed: the share type"

// opinion words an error of the probe or of a library.
func opinion(err error) string {
	var (
		status Status
		kind   *ShareTypeError
		one    *cloudsoda.ResponseError
		other  *hirochachacha.ResponseError
	)
	switch {
	case err == nil:
		return "healthy"
	case errors.As(err, &status):
		return strings.Fields(status.Error())[0]
	case errors.As(err, &one):
		return opinion(Status(one.Code))
	case errors.As(err, &other):
		return opinion(Status(other.Code))
	case errors.As(err, &kind):
		return noFiles
	case errors.Is(err, os.ErrPermission): // what the libraries make of this status
		return opinion(accessDenied)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "failed: no answer"
	// Which of these it is may be chance, and the libraries do not wrap them.
	case ended.MatchString(err.Error()):
		return "failed: closed"
	}
	return "failed: " + changing.ReplaceAllString(err.Error(), "N")
}

var (
	ended = regexp.MustCompile(`EOF$|connection reset by peer$|broken pipe$|closed`)
	// changing is what differs from run to run, such as a session ID.
	changing = regexp.MustCompile(`\b(0x[0-9A-Fa-f]{5,}|[0-9]{5,})\b`)
)

// library is the child process that answers for the libraries. It is started
// anew when one of them has ended it.
type library struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr *bytes.Buffer
}

func (l *library) start(t *testing.T) {
	t.Helper()
	l.cmd, l.stderr = exec.Command(os.Args[0]), new(bytes.Buffer)
	l.cmd.Env = append(os.Environ(), childEnv+"=library")
	l.cmd.Stderr = l.stderr
	out, err := l.cmd.StdoutPipe()
	if err == nil {
		l.in, err = l.cmd.StdinPipe()
	}
	if err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	l.out = bufio.NewReader(out)
}

func (l *library) end() {
	if l.cmd != nil {
		l.in.Close()
		l.cmd.Process.Kill()
		l.cmd.Wait()
		l.cmd = nil
	}
}

var panicked = regexp.MustCompile(`(?m)^panic: .*`)

func (l *library) ask(t *testing.T, name string, c Config) string {
	t.Helper()
	if l.cmd == nil {
		l.start(t)
	}
	err := json.NewEncoder(l.in).Encode(question{name, c})
	answer, readErr := l.out.ReadString('\n')
	if err != nil || readErr != nil || strings.Contains(answer, hangs) {
		l.end()
	}
	if readErr != nil {
		return "failed: " + string(panicked.Find(l.stderr.Bytes()))
	}
	return strings.TrimSpace(answer)
}

// clientStatuses are the NTSTATUS that smbclient itself makes: no server has
// sent them.
var clientStatuses = []string{
	"STATUS_CONNECTION_DISCONNECTED", "STATUS_CONNECTION_RESET", "STATUS_IO_TIMEOUT",
	"STATUS_INVALID_NETWORK_RESPONSE", "STATUS_CONNECTION_REFUSED", "STATUS_END_OF_FILE",
}

var ntStatus = regexp.MustCompile(`NT_(STATUS_\w+)`)

// smbclient is the measure of "healthy": a user would say so too.
func smbclient(t *testing.T, c Config) string {
	t.Helper()
	login := c.User + "%" + c.Password
	addr := net.JoinHostPort(c.Address, strconv.Itoa(c.Port))
	out, err := smbtest.Client(t, addr, c.Share, login)
	if err == nil {
		return "healthy"
	}
	all := ntStatus.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return "failed: " + strings.TrimSpace(out)
	}
	name := all[len(all)-1][1]
	if slices.Contains(clientStatuses, name) {
		return "failed: " + name
	}
	return name
}
