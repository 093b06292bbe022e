package winsys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// dirAccess lets only the system and the administrators in, and makes the
// administrators the owner.
const dirAccess = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

// MakeDir makes the directory of the locks and of other state. Every user may
// make files below %ProgramData%, and whoever can open a lock can hold it:
// there the directory is made for the administrators, and one that another user
// made first is refused.
func MakeDir(dir string) error {
	if !strings.EqualFold(filepath.Dir(dir), os.Getenv("ProgramData")) {
		return os.MkdirAll(dir, 0o700)
	}
	access, err := windows.SecurityDescriptorFromString(dirAccess)
	if err != nil {
		return err
	}
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return err
	}
	attributes := windows.SecurityAttributes{SecurityDescriptor: access}
	attributes.Length = uint32(unsafe.Sizeof(attributes))
	err = windows.CreateDirectory(path, &attributes)
	if err == nil {
		return nil
	}
	if !errors.Is(err, windows.ERROR_ALREADY_EXISTS) {
		return fmt.Errorf("make %s: %w (run this as an administrator)", dir, err)
	}
	return ownedByAdministrators(dir)
}

// ownedByAdministrators refuses a link, and a directory whose owner is neither
// the administrators, nor the system, nor the user who runs this.
func ownedByAdministrators(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no directory", dir)
	}
	sd, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("the owner of %s: %w", dir, err)
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return fmt.Errorf("the owner of %s: %w", dir, err)
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	if owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) ||
		owner.IsWellKnown(windows.WinLocalSystemSid) || owner.Equals(user.User.Sid) {
		return nil
	}
	return fmt.Errorf("%s was made by %s, who could hold its locks "+
		"(remove it, or set --state-dir)", dir, owner)
}
