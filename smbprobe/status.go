package smbprobe

import "fsmon/smbprobe/smb2"

// Status is an NTSTATUS in a server's answer (MS-ERREF 2.3.1).
type Status = smb2.Status

// StatusAccessDenied is the answer to a client that may not log in, use the
// share, or read or write a file.
const StatusAccessDenied = smb2.StatusAccessDenied
