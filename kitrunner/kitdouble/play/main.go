// Play is the program of package kitdouble.
package main

import "fsmon/kitrunner/kitdouble"

func main() { kitdouble.Main() }
