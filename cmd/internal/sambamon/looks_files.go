package sambamon

import "fsmon/smbprobe"

// The rungs that open files, where a status is about a file and the disk below
// the share, not about the share and who may use it.

const (
	lookDisk = "The server answers, but its disk does not do its part. On the server look at " +
		"dmesg, at smartctl or the controller's own tool, and at the disk below the share's path " +
		"(findmnt)."
	lookHangs = "The server answers, but its disk hangs: all that went before is answered from " +
		"memory. On the server look for processes in state D (ps -eo pid,stat,wchan:30,comm), at " +
		"dmesg, and at the disk below the share's path. For a disk that is merely slow, -r can " +
		"be larger."
	lookReadBack = "Do not trust this file system with anything until you know why: the disk, a " +
		"cache before it (its own, the controller's, the server's memory), or something on the " +
		"way loses or changes data. On the server look at dmesg, at smartctl and at the state of " +
		"the controller's cache."
	lookPrinter = "A printer holds no files that a marker, a write test or a lock test could use. " +
		"Give -s a disk share, or leave --marker, --write-test and --lock-test away."
	lookOtherDisk = "The server is healthy, but something else is behind the share now: on the " +
		"server look at findmnt, and whether the share's path has changed. If that is intended, " +
		"-pause and -continue make the watch learn it."

	lookNoMarker = "The marker is not there. Most likely the disk below the share is not " +
		"mounted, and its empty mount point is shared instead: on the server look at findmnt. If " +
		"the disk is there, look at the spelling after --marker, whether a symbolic link on its " +
		"path leads out of the share, and at veto files."
	lookMarkerAccess = "The probe may not read the marker. It acts as its user, without -u as " +
		"the server's guest account: look on the server whether that account may read the marker " +
		"(chmod a+r) and pass the directories on the way (chmod a+x), and at the labels under " +
		"SELinux (ls -Z, ausearch -m avc). Samba says the same of errors for which SMB has no " +
		"word: look at dmesg, too."
	lookMarkerKind = "The marker is a directory or another thing that is no file. Give --marker " +
		"a plain file."
	lookMarkerUse = "Another client or a program has opened or locked the marker so that nobody " +
		"else may read it (on a Samba server: smbstatus -L). Give --marker a file that is the " +
		"watch's own."
	lookMarkerName = "The server does not accept the path. Look at the spelling after --marker."

	lookWriteAccess = "The probe may not write there. It acts as its user, without -u as the " +
		"server's guest account. Look on the server whether the share is read-only (read only, " +
		"which is yes by default, and write list), at the mode of the directory (the write test " +
		"writes beside the marker, else in the share's root), and at the labels under SELinux. " +
		"If all that is right, look at findmnt and dmesg: after an error of the disk its file " +
		"system may have become read-only. To watch a share that is meant to be read-only, leave " +
		"--write-test away."
	lookWriteOthers = "Somebody else held, made or removed the write test's file (.fsmon-…) " +
		"again and again. Look for a virus scanner, indexer or backup on the server and exempt " +
		"the file from it, and whether many watches or checks of the same share run on machines " +
		"of the same name."
	lookWriteNotFound = "The server lost the write test's file (.fsmon-…), or does not let it be " +
		"made. Look at veto files, which must not take names that begin with a dot, and whether " +
		"somebody removes such files, or the directory itself."
	lookLocks = "Files open, but locks do not work: programs that lock files fail. " + lookLockers
	// A lock asks for more than an open file does.
	lookLocksHang = "Files open, but a lock gets no answer: programs that lock files hang. " +
		lookLockers
	lookLockers = "On the server look at the disk of Samba's lock directory (testparm -sv; df), at " +
		"smbstatus -L, and if the share itself is on a network or cluster file system, at the lock " +
		"service of that one (rpcinfo -p for NFS, dlm_tool ls, ctdb status)."
	lookLockAccess = "Without --marker the lock test makes a file in the share's root, and the " +
		"probe may not. Give it a --marker, which it can lock without writing, also on a read-only " +
		"share; or look on the server at read only, at write list and at the directory's mode."

	lookWriteDelete = "The test's file (.fsmon-…) could be written, but not deleted. Look " +
		"at the access control list of the directory, and remove the file by hand."
)

// fileLooks goes before looks at these rungs.
var fileLooks = map[smbprobe.Step]map[smbprobe.Status]string{
	smbprobe.Marker: {
		0xC000000F: lookNoMarker, // NO_SUCH_FILE
		0xC0000034: lookNoMarker, // OBJECT_NAME_NOT_FOUND
		0xC000003A: lookNoMarker, // OBJECT_PATH_NOT_FOUND
		0xC0000011: "The marker has nothing in it. If it is new, write something into it; if it " +
			"had contents, the file system has lost them: look at dmesg on the server.",
		0xC0000022: lookMarkerAccess,
		0xC00000BA: lookMarkerKind, // FILE_IS_A_DIRECTORY, of Windows
		0xC0000010: lookMarkerKind, // INVALID_DEVICE_REQUEST, of Samba, which opens a directory
		0xC0000043: lookMarkerUse,  // SHARING_VIOLATION
		0xC0000054: lookMarkerUse,  // FILE_LOCK_CONFLICT
		0xC0000056: "Somebody has deleted the marker, and it goes when the last client that has " +
			"it open closes it. Make it anew.",
		0xC0000033: lookMarkerName, // OBJECT_NAME_INVALID
		0xC0000039: lookMarkerName, // OBJECT_PATH_INVALID
		0xC000003B: lookMarkerName, // OBJECT_PATH_SYNTAX_BAD
		0xC0000103: "The path of the marker goes through a file. Look at the spelling after " +
			"--marker.",
		0x8000002D: "The path of the marker goes through a symbolic link, which is not followed. " +
			"Give the real one with --marker.",
	},
	smbprobe.WriteTest: {
		0xC000007F: "The file system is full, or a quota is used up (Samba tells no difference). " +
			"On the server look at df, df -i and repquota.",
		0xC0000044: "The quota of the probe's account is used up. On the server look at repquota " +
			"(Windows: fsutil quota query).",
		0xC00000A2: "The file system below the share is mounted read-only. If it should not be, " +
			"look at findmnt and dmesg on the server: after an error of its disk a file system " +
			"becomes so.",
		0xC0000022: lookWriteAccess,
		0xC0000043: lookWriteOthers,   // SHARING_VIOLATION
		0xC0000054: lookWriteOthers,   // FILE_LOCK_CONFLICT
		0xC0000035: lookWriteOthers,   // OBJECT_NAME_COLLISION
		0xC0000056: lookWriteOthers,   // DELETE_PENDING
		0xC0000034: lookWriteNotFound, // OBJECT_NAME_NOT_FOUND
		0xC000003A: lookWriteNotFound, // OBJECT_PATH_NOT_FOUND
		0xC00000BA: "There is a directory of the write test's name (.fsmon-…) where it writes. " +
			"Look into it, and remove it.",
		0xC0000121: lookWriteDelete, // CANNOT_DELETE
		0xC0000033: "The server does not accept the write test's name (.fsmon-…). Look at what " +
			"the file system below the share or a module (vfs objects) demands of names.",
	},
	// Before those of the marker or the write test, whose file is locked.
	smbprobe.LockTest: {
		0xC0000002: lookLocks, // NOT_IMPLEMENTED
		0xC0000010: lookLocks, // INVALID_DEVICE_REQUEST
		0xC0000022: lookLockAccess,
		0xC0000054: lookLocks, // FILE_LOCK_CONFLICT
		0xC0000055: lookLocks, // LOCK_NOT_GRANTED
		0xC000007E: lookLocks, // RANGE_NOT_LOCKED
		0xC00000BB: lookLocks, // NOT_SUPPORTED
	},
}

// diskLooks is for all of them.
var diskLooks = map[smbprobe.Status]string{
	0xC0000001: lookDisk, // UNSUCCESSFUL
	0xC000003E: lookDisk, // DATA_ERROR
	0xC000009C: lookDisk, // DEVICE_DATA_ERROR
	0xC00000B5: lookDisk, // IO_TIMEOUT
	0xC00000C0: lookDisk, // DEVICE_DOES_NOT_EXIST
	0xC00000E9: lookDisk, // UNEXPECTED_IO_ERROR
	0xC0000185: lookDisk, // IO_DEVICE_ERROR
	0xC0000008: lookGone, // INVALID_HANDLE
	0xC0000120: lookGone, // CANCELLED
	0xC0000128: lookGone, // FILE_CLOSED
	0xC0000017: "The server has no memory left. " + lookServer,
	0xC000011F: "The server has no file descriptors left. On the server look at max open files " +
		"in smb.conf, at the service's LimitNOFILE, and at who has so many files open (smbstatus -L).",
	0xC000000D: lookRequest, // INVALID_PARAMETER
	0xC00000BB: lookRequest, // NOT_SUPPORTED
}

const lookRequest = "The server, or the file system below the share, does not do what every file " +
	"needs. Look at vfs objects in smb.conf, and at the server's log."
