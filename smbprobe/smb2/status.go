package smb2

import (
	"cmp"
	"fmt"
	"strings"
)

// Status is an NTSTATUS in a server's answer (MS-ERREF 2.3.1).
type Status uint32

// The statuses that the probe acts on.
const (
	StatusOK                 Status = 0
	StatusPending            Status = 0x00000103
	StatusEndOfFile          Status = 0xC0000011
	StatusMoreProcessing     Status = 0xC0000016
	StatusAccessDenied       Status = 0xC0000022
	StatusObjectNotFound     Status = 0xC0000034
	StatusObjectCollision    Status = 0xC0000035
	StatusSharingViolation   Status = 0xC0000043
	StatusFileLockConflict   Status = 0xC0000054
	StatusLockNotGranted     Status = 0xC0000055
	StatusDeletePending      Status = 0xC0000056
	StatusNoSuchUser         Status = 0xC0000064
	StatusWrongPassword      Status = 0xC000006A
	StatusLogonFailure       Status = 0xC000006D
	StatusPasswordExpired    Status = 0xC0000071
	StatusRequestNotAccepted Status = 0xC00000D0
	StatusPasswordMustChange Status = 0xC0000224
	StatusPathNotCovered     Status = 0xC0000257
)

// Name is the status's name in MS-ERREF 2.3.1, such as "STATUS_ACCESS_DENIED".
// It is empty for a value without a name.
func (s Status) Name() string {
	_, rest, found := strings.Cut(names, fmt.Sprintf("\n%08X ", uint32(s)))
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(rest, "\n")
	return "STATUS_" + name
}

// Error gives name and value: "STATUS_ACCESS_DENIED (0xC0000022)". A status
// without a name is "NTSTATUS (0x...)".
func (s Status) Error() string {
	return fmt.Sprintf("%s (0x%08X)", cmp.Or(s.Name(), "NTSTATUS"), uint32(s))
}

// LogonRefused reports whether the server did not accept the user's name or
// password, so that a new password may help.
func (s Status) LogonRefused() bool {
	switch s {
	case StatusLogonFailure, StatusWrongPassword, StatusNoSuchUser, StatusPasswordExpired,
		StatusPasswordMustChange:
		return true
	}
	return false
}

// Win32 is the status's Win32 code (MS-ERREF 2.2), as Windows'
// RtlNtStatusToDosError gives it for what a file server may send, or 317
// (ERROR_MR_MID_NOT_FOUND) for other values.
func (s Status) Win32() int {
	switch s {
	case 0xC0000002, 0xC0000010: // NOT_IMPLEMENTED, INVALID_DEVICE_REQUEST
		return 1
	case StatusObjectNotFound, 0xC000000F: // NO_SUCH_FILE
		return 2
	case 0xC000003A: // OBJECT_PATH_NOT_FOUND
		return 3
	case 0xC000011F: // TOO_MANY_OPENED_FILES
		return 4
	case StatusAccessDenied, StatusDeletePending, 0xC00000BA, // FILE_IS_A_DIRECTORY
		0xC0000121: // CANNOT_DELETE
		return 5
	case 0xC0000008, 0xC0000128: // INVALID_HANDLE, FILE_CLOSED
		return 6
	case 0xC0000017: // NO_MEMORY
		return 8
	case 0x80000006: // NO_MORE_FILES
		return 18
	case 0xC00000A2: // MEDIA_WRITE_PROTECTED
		return 19
	case 0x80000010, 0xC00000A3, 0xC000026E: // DEVICE_OFF_LINE, DEVICE_NOT_READY, VOLUME_DISMOUNTED
		return 21
	case 0xC0000184: // INVALID_DEVICE_STATE
		return 22
	case 0xC000003E, 0xC000003F, 0xC000009C: // DATA_ERROR, CRC_ERROR, DEVICE_DATA_ERROR
		return 23
	case 0xC0000001: // UNSUCCESSFUL
		return 31
	case StatusSharingViolation, 0xC0000467: // FILE_NOT_AVAILABLE
		return 32
	case 0xC0000054, 0xC0000055: // FILE_LOCK_CONFLICT, LOCK_NOT_GRANTED
		return 33
	case StatusEndOfFile, 0xC00000B6: // FILE_FORCED_CLOSED
		return 38
	case 0xC00000BB: // NOT_SUPPORTED
		return 50
	case 0xC00000BC: // REMOTE_NOT_LISTENING
		return 51
	case 0xC00000BE: // BAD_NETWORK_PATH
		return 53
	case 0xC00000BF: // NETWORK_BUSY
		return 54
	case 0xC00000C0: // DEVICE_DOES_NOT_EXIST
		return 55
	case 0xC00000C3: // INVALID_NETWORK_RESPONSE
		return 58
	case 0xC00000C4, 0xC0000203: // UNEXPECTED_NETWORK_ERROR, USER_SESSION_DELETED
		return 59
	case 0xC00000C9, 0xC000020C, // NETWORK_NAME_DELETED, CONNECTION_DISCONNECTED
		0xC000020D, 0xC0000466, // CONNECTION_RESET, SERVER_UNAVAILABLE
		0xC0000480: // SHARE_UNAVAILABLE
		return 64
	case 0xC00000CA: // NETWORK_ACCESS_DENIED
		return 65
	case 0xC00000CB: // BAD_DEVICE_TYPE
		return 66
	case 0xC00000CC: // BAD_NETWORK_NAME
		return 67
	case 0xC00000CD: // TOO_MANY_NAMES
		return 68
	case 0xC00000CE: // TOO_MANY_SESSIONS
		return 69
	case 0xC00000CF: // SHARING_PAUSED
		return 70
	case StatusRequestNotAccepted:
		return 71
	case StatusWrongPassword:
		return 86
	case 0xC000000D: // INVALID_PARAMETER
		return 87
	case 0xC000007F: // DISK_FULL
		return 112
	case 0xC00000B5: // IO_TIMEOUT
		return 121
	case 0xC0000033: // OBJECT_NAME_INVALID
		return 123
	case 0xC0000039, 0xC000003B: // OBJECT_PATH_INVALID, OBJECT_PATH_SYNTAX_BAD
		return 161
	case 0x80000011: // DEVICE_BUSY
		return 170
	case StatusObjectCollision:
		return 183
	case 0xC0000906: // VIRUS_INFECTED
		return 225
	case 0xC00000B0: // PIPE_DISCONNECTED
		return 233
	case StatusMoreProcessing, 0x80000005: // BUFFER_OVERFLOW
		return 234
	case 0xC0000103: // NOT_A_DIRECTORY
		return 267
	case 0xC000000E: // NO_SUCH_DEVICE
		return 433
	case 0xC00000D8: // CANT_WAIT
		return 554
	case 0xC00002EB: // SYSTEM_SHUTDOWN
		return 641
	case 0x8000002D: // STOPPED_ON_SYMLINK
		return 681
	case 0xC0000120: // CANCELLED
		return 995
	case StatusPending:
		return 997
	case 0xC00000E9, 0xC0000185: // UNEXPECTED_IO_ERROR, IO_DEVICE_ERROR
		return 1117
	case 0xC0000205: // INSUFF_SERVER_RESOURCES
		return 1130
	case 0xC000009D: // DEVICE_NOT_CONNECTED
		return 1167
	case 0xC0000225: // NOT_FOUND
		return 1168
	case 0xC000026D: // DFS_UNAVAILABLE
		return 1201
	case 0xC0000236: // CONNECTION_REFUSED
		return 1225
	case 0xC000023C: // NETWORK_UNREACHABLE
		return 1231
	case StatusPathNotCovered, 0xC000023D: // HOST_UNREACHABLE
		return 1232
	case 0xC0000241: // CONNECTION_ABORTED
		return 1236
	case 0xC000022D: // RETRY
		return 1237
	case 0xC0000388: // DOWNGRADE_DETECTED
		return 1265
	case 0xC0000802: // DISK_QUOTA_EXCEEDED
		return 1295
	case 0xC000005E: // NO_LOGON_SERVERS
		return 1311
	case 0xC000005F: // NO_SUCH_LOGON_SESSION
		return 1312
	case 0xC0000061: // PRIVILEGE_NOT_HELD
		return 1314
	case StatusNoSuchUser:
		return 1317
	case StatusLogonFailure:
		return 1326
	case 0xC000006E: // ACCOUNT_RESTRICTION
		return 1327
	case 0xC000006F: // INVALID_LOGON_HOURS
		return 1328
	case 0xC0000070: // INVALID_WORKSTATION
		return 1329
	case StatusPasswordExpired:
		return 1330
	case 0xC0000072: // ACCOUNT_DISABLED
		return 1331
	case 0xC0000080: // SERVER_DISABLED
		return 1341
	case 0xC00000DC: // INVALID_SERVER_STATE
		return 1352
	case 0xC00000DD: // INVALID_DOMAIN_STATE
		return 1353
	case 0xC00000DF: // NO_SUCH_DOMAIN
		return 1355
	case 0xC00000E5: // INTERNAL_ERROR
		return 1359
	case 0xC00000FE: // NO_SUCH_PACKAGE
		return 1364
	case 0xC000010B: // INVALID_LOGON_TYPE
		return 1367
	case 0xC0000155: // LOGON_NOT_GRANTED
		return 1380
	case 0xC000015B: // LOGON_TYPE_NOT_GRANTED
		return 1385
	case 0xC0000102: // FILE_CORRUPT_ERROR
		return 1392
	case 0xC0000032: // DISK_CORRUPT_ERROR
		return 1393
	case 0xC000035C: // NETWORK_SESSION_EXPIRED
		return 1394
	case 0xC0000259: // LICENSE_QUOTA_EXCEEDED
		return 1395
	case 0xC0000133: // TIME_DIFFERENCE_AT_DC
		return 1398
	case 0xC000009A: // INSUFFICIENT_RESOURCES
		return 1450
	case 0xC000018A: // NO_TRUST_LSA_SECRET
		return 1786
	case 0xC000018B: // NO_TRUST_SAM_ACCOUNT
		return 1787
	case 0xC000018C: // TRUSTED_DOMAIN_FAILURE
		return 1788
	case 0xC000018D: // TRUSTED_RELATIONSHIP_FAILURE
		return 1789
	case 0xC0000190: // TRUST_FAILURE
		return 1790
	case 0xC0000192: // NETLOGON_NOT_STARTED
		return 1792
	case 0xC0000193: // ACCOUNT_EXPIRED
		return 1793
	case 0xC0000198: // NOLOGON_INTERDOMAIN_TRUST_ACCOUNT
		return 1807
	case 0xC0000199: // NOLOGON_WORKSTATION_TRUST_ACCOUNT
		return 1808
	case 0xC000019A: // NOLOGON_SERVER_TRUST_ACCOUNT
		return 1809
	case 0xC0000044: // QUOTA_EXCEEDED
		return 1816
	case StatusPasswordMustChange:
		return 1907
	case 0xC0000233: // DOMAIN_CONTROLLER_NOT_FOUND
		return 1908
	case 0xC0000234: // ACCOUNT_LOCKED_OUT
		return 1909
	case 0xC0000279: // IO_REPARSE_TAG_NOT_HANDLED
		return 1920
	case 0xC0000280: // REPARSE_POINT_NOT_RESOLVED
		return 1921
	case 0xC0000413: // AUTHENTICATION_FIREWALL_FAILED
		return 1935
	case 0xC0000418: // NTLM_BLOCKED
		return 1937
	case 0xC013000C: // CLUSTER_NODE_DOWN
		return 5050
	}
	return 317
}
