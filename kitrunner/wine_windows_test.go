//go:build wine

package kitrunner

import _ "unsafe"

// Under Wine 8 os.RemoveAll fails, and every t.TempDir with it: it does not
// know the way to delete a file that Windows has had since 2018, and answers
// "invalid function" where os expects one of the answers that make it use the
// older way. This variable of os's own tests makes it use that way at once. The
// linker allows it with -checklinkname=0.
//
//go:linkname testDeleteatFallback internal/syscall/windows.TestDeleteatFallback
var testDeleteatFallback bool

func init() { testDeleteatFallback = true }
