//go:build !windows

package winsys

// Drives lists the letters that the doubles of Windows' commands may know: all.
func Drives() (letters []string) {
	for c := 'A'; c <= 'Z'; c++ {
		letters = append(letters, string(c))
	}
	return letters
}
