package winsys

import "golang.org/x/sys/windows"

// Drives lists the letters of this system's drives, locked volumes among them.
func Drives() (letters []string) {
	mask, err := windows.GetLogicalDrives()
	for i := range 26 {
		// If they cannot be listed, each may be there.
		if err != nil || mask&(1<<i) != 0 {
			letters = append(letters, string(rune('A'+i)))
		}
	}
	return letters
}
