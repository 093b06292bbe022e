// Command clplogcmd stands in for the CLUSTERPRO command of that name. It notes
// how it was called, a JSON line a call.
package main

import (
	"encoding/json"
	"log"
	"os"
)

func main() {
	f, err := os.OpenFile("/calls", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	call := map[string][]string{"args": os.Args[1:], "env": os.Environ()}
	if err := json.NewEncoder(f).Encode(call); err != nil {
		log.Fatal(err)
	}
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
}
