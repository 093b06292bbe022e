package smbprobe

import (
	"cmp"
	"fmt"
)

// Status is an NTSTATUS in a server's answer (MS-ERREF 2.3.1).
type Status uint32

// StatusAccessDenied is the answer to a client that may not log in, use the
// share, or read or write a file.
const StatusAccessDenied Status = 0xC0000022

// Statuses that only this package uses.
const (
	statusOK                 Status = 0
	statusPending            Status = 0x00000103
	statusEndOfFile          Status = 0xC0000011
	statusMoreProcessing     Status = 0xC0000016
	statusObjectNotFound     Status = 0xC0000034
	statusObjectCollision    Status = 0xC0000035
	statusSharingViolation   Status = 0xC0000043
	statusDeletePending      Status = 0xC0000056
	statusLogonFailure       Status = 0xC000006D
	statusWrongPassword      Status = 0xC000006A
	statusRequestNotAccepted Status = 0xC00000D0
)

// statuses maps an NTSTATUS to its name and its Win32 code (MS-ERREF 2.2, 2.3).
var statuses = map[Status]struct {
	name  string
	win32 int
}{
	statusPending:            {"STATUS_PENDING", 997},
	statusMoreProcessing:     {"STATUS_MORE_PROCESSING_REQUIRED", 234},
	0xC0000001:               {"STATUS_UNSUCCESSFUL", 31},
	0x8000002D:               {"STATUS_STOPPED_ON_SYMLINK", 681},
	0xC0000008:               {"STATUS_INVALID_HANDLE", 6},
	0xC000000D:               {"STATUS_INVALID_PARAMETER", 87},
	0xC000000F:               {"STATUS_NO_SUCH_FILE", 2},
	0xC0000010:               {"STATUS_INVALID_DEVICE_REQUEST", 1}, // reading a directory
	statusEndOfFile:          {"STATUS_END_OF_FILE", 38},           // reading an empty file
	0xC0000017:               {"STATUS_NO_MEMORY", 8},
	StatusAccessDenied:       {"STATUS_ACCESS_DENIED", 5},
	statusObjectNotFound:     {"STATUS_OBJECT_NAME_NOT_FOUND", 2},
	statusObjectCollision:    {"STATUS_OBJECT_NAME_COLLISION", 183},
	0xC0000033:               {"STATUS_OBJECT_NAME_INVALID", 123},
	0xC0000039:               {"STATUS_OBJECT_PATH_INVALID", 161},
	0xC000003A:               {"STATUS_OBJECT_PATH_NOT_FOUND", 3},
	0xC000003B:               {"STATUS_OBJECT_PATH_SYNTAX_BAD", 161},
	0xC000003E:               {"STATUS_DATA_ERROR", 23},
	statusSharingViolation:   {"STATUS_SHARING_VIOLATION", 32},
	0xC0000044:               {"STATUS_QUOTA_EXCEEDED", 1816},
	0xC0000054:               {"STATUS_FILE_LOCK_CONFLICT", 33},
	statusDeletePending:      {"STATUS_DELETE_PENDING", 5},
	0xC000005E:               {"STATUS_NO_LOGON_SERVERS", 1311},
	0xC0000064:               {"STATUS_NO_SUCH_USER", 1317},
	statusWrongPassword:      {"STATUS_WRONG_PASSWORD", 86},
	statusLogonFailure:       {"STATUS_LOGON_FAILURE", 1326},
	0xC000006E:               {"STATUS_ACCOUNT_RESTRICTION", 1327},
	0xC000006F:               {"STATUS_INVALID_LOGON_HOURS", 1328},
	0xC0000070:               {"STATUS_INVALID_WORKSTATION", 1329},
	0xC0000071:               {"STATUS_PASSWORD_EXPIRED", 1330},
	0xC0000072:               {"STATUS_ACCOUNT_DISABLED", 1331},
	0xC000007F:               {"STATUS_DISK_FULL", 112},
	0xC000009A:               {"STATUS_INSUFFICIENT_RESOURCES", 1450},
	0xC000009C:               {"STATUS_DEVICE_DATA_ERROR", 23},
	0xC00000A2:               {"STATUS_MEDIA_WRITE_PROTECTED", 19},
	0xC00000B5:               {"STATUS_IO_TIMEOUT", 121},
	0xC00000BA:               {"STATUS_FILE_IS_A_DIRECTORY", 5},
	0xC00000BB:               {"STATUS_NOT_SUPPORTED", 50},
	0xC00000C3:               {"STATUS_INVALID_NETWORK_RESPONSE", 58},
	0xC00000C9:               {"STATUS_NETWORK_NAME_DELETED", 64},
	0xC00000CA:               {"STATUS_NETWORK_ACCESS_DENIED", 65},
	0xC00000CB:               {"STATUS_BAD_DEVICE_TYPE", 66},
	0xC00000CC:               {"STATUS_BAD_NETWORK_NAME", 67},
	statusRequestNotAccepted: {"STATUS_REQUEST_NOT_ACCEPTED", 71},
	0xC00000E9:               {"STATUS_UNEXPECTED_IO_ERROR", 59},
	0xC0000103:               {"STATUS_NOT_A_DIRECTORY", 267},
	0xC000011F:               {"STATUS_TOO_MANY_OPENED_FILES", 4},
	0xC0000120:               {"STATUS_CANCELLED", 995},
	0xC0000121:               {"STATUS_CANNOT_DELETE", 5},
	0xC0000128:               {"STATUS_FILE_CLOSED", 6},
	0xC0000133:               {"STATUS_TIME_DIFFERENCE_AT_DC", 1398},
	0xC000015B:               {"STATUS_LOGON_TYPE_NOT_GRANTED", 1385},
	0xC0000185:               {"STATUS_IO_DEVICE_ERROR", 1117},
	0xC000018D:               {"STATUS_TRUSTED_RELATIONSHIP_FAILURE", 1789},
	0xC0000193:               {"STATUS_ACCOUNT_EXPIRED", 1793},
	0xC0000203:               {"STATUS_USER_SESSION_DELETED", 59},
	0xC0000224:               {"STATUS_PASSWORD_MUST_CHANGE", 1907},
	0xC0000234:               {"STATUS_ACCOUNT_LOCKED_OUT", 1909},
	0xC000023C:               {"STATUS_NETWORK_UNREACHABLE", 1231},
}

// Win32 is the status's Win32 code (MS-ERREF 2.2), or 317
// (ERROR_MR_MID_NOT_FOUND) if the status is not in the table.
func (s Status) Win32() int {
	if e, ok := statuses[s]; ok {
		return e.win32
	}
	return 317
}

// Name is the status's name in MS-ERREF 2.3.1, such as "STATUS_ACCESS_DENIED".
// It is empty for a status that is not in the table.
func (s Status) Name() string { return statuses[s].name }

// Error gives name and value: "STATUS_ACCESS_DENIED (0xC0000022)". A status
// without a name is "NTSTATUS (0x...)".
func (s Status) Error() string {
	return fmt.Sprintf("%s (0x%08X)", cmp.Or(s.Name(), "NTSTATUS"), uint32(s))
}

// LogonRefused reports whether the server did not accept the user's name or
// password, so that a new password may help.
func (s Status) LogonRefused() bool {
	switch s {
	case statusLogonFailure, statusWrongPassword, 0xC0000064, 0xC0000071, 0xC0000224:
		return true
	}
	return false
}
