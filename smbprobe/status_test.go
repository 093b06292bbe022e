package smbprobe

import "testing"

func TestErrorTexts(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&Error{TreeConnect, Status(0xC00000CC)},
			"tree connect: STATUS_BAD_NETWORK_NAME (0xC00000CC)"},
		{&Error{TreeConnect, Status(0xC0DE0001)}, "tree connect: NTSTATUS (0xC0DE0001)"},
		{&Error{Negotiate, &NetBIOSError{Code: 0x81}},
			"negotiate: negative session response 0x81 (not listening for calling name)"},
		{&Error{Negotiate, &NetBIOSError{Code: 0x42}},
			"negotiate: negative session response 0x42 (unknown reason)"},
		{&Error{SessionSetup, malformed("%d bytes", 3)},
			"session setup: malformed answer: 3 bytes"},
		{&Error{ShareType, &ShareTypeError{Type: 2}},
			"share type: the share is a pipe, neither disk nor printer"},
		{&Error{ShareType, &ShareTypeError{Type: 7}},
			"share type: the share is type 0x07, neither disk nor printer"},
		{&Error{Logoff, errNoAnswer}, "logoff: no answer within the deadline"},
		{&Error{Step(99), ErrSMB1Only}, "step 99: the server speaks SMB1 only"},
	} {
		if c.err.Error() != c.want {
			t.Errorf("%q, want %q", c.err, c.want)
		}
	}
}
