package smbprobe

import "fsmon/smbprobe/smb2"

// Status is an NTSTATUS in a server's answer (MS-ERREF 2.3.1).
type Status = smb2.Status

// StatusAccessDenied is the answer to a client that may not log in, use the
// share, or read or write a file.
const StatusAccessDenied = smb2.StatusAccessDenied

// Statuses that only this package uses.
const (
	statusOK                 = smb2.StatusOK
	statusPending            = smb2.StatusPending
	statusEndOfFile          = smb2.StatusEndOfFile
	statusMoreProcessing     = smb2.StatusMoreProcessing
	statusObjectNotFound     = smb2.StatusObjectNotFound
	statusObjectCollision    = smb2.StatusObjectCollision
	statusFileLockConflict   = smb2.StatusFileLockConflict
	statusLockNotGranted     = smb2.StatusLockNotGranted
	statusSharingViolation   = smb2.StatusSharingViolation
	statusDeletePending      = smb2.StatusDeletePending
	statusRequestNotAccepted = smb2.StatusRequestNotAccepted
)
