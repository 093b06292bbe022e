//go:build wine

package winsys

import _ "unsafe"

// Under Wine 8 os.RemoveAll fails, and with it every t.TempDir: Wine does not
// know a way to delete files that Windows has since 2018, and its error is not
// one that makes package os use the older way. This variable, which is for the
// tests of os, makes it use the older way at once. The linker allows that with
// -checklinkname=0.
//
//go:linkname testDeleteatFallback internal/syscall/windows.TestDeleteatFallback
var testDeleteatFallback bool

func init() { testDeleteatFallback = true }
