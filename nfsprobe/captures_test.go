package nfsprobe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// captureHost is the name that the server of the captures gives itself.
const captureHost = "server.example"

// captures are the answers of rpcbind and NFS-Ganesha 4.3 in whole probes, by
// file name: the records of each connection, with their marks
// (testdata/answers; TestCapture with -update makes them).
func captures(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/answers/*.bin")
	if err != nil || len(names) == 0 {
		t.Fatalf("no captures, %v", err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = b
	}
	return all
}

// captured returns the records of the captures whose names match, in order, as
// answers to call 7.
func captured(t testing.TB, pattern string) [][]byte {
	t.Helper()
	all, records := captures(t), [][]byte(nil)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if ok, err := filepath.Match(pattern, name); err != nil {
			t.Fatal(err)
		} else if !ok {
			continue
		}
		for r := bytes.NewReader(all[name]); r.Len() > 0; {
			record, err := readRecord(r)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			binary.BigEndian.PutUint32(record, 7)
			records = append(records, record)
		}
	}
	if len(records) == 0 {
		t.Fatalf("no capture matches %s", pattern)
	}
	return records
}

// capturedResults returns what follows the reply headers of accepted calls in
// the captures whose names match. Procedure 0 has none.
func capturedResults(t testing.TB, pattern string) [][]byte {
	t.Helper()
	var all [][]byte
	for _, record := range captured(t, pattern) {
		if results, err := parseReply(record, 7); err == nil {
			if left := results.(message).Len(); left > 0 {
				all = append(all, record[len(record)-left:])
			}
		}
	}
	return all
}

// seed adds the captured results of one kind to a fuzz target.
func seed(f *testing.F, pattern string) {
	for _, results := range capturedResults(f, pattern) {
		f.Add(results)
	}
}

// The captures hold what their names say, so that fuzzing begins there.
func TestCaptures(t *testing.T) {
	for pattern, want := range map[string][]int{"3-portmap.bin": {20048, 2049},
		"3-ipv6-portmap.bin": {20048, 2049}} {
		parse := parseGetPort
		if strings.Contains(pattern, "ipv6") {
			parse = parseGetAddr
		}
		var ports []int
		for _, results := range capturedResults(t, pattern) {
			port, err := parse(bytes.NewReader(results))
			if err != nil {
				t.Errorf("%s: %v", pattern, err)
			}
			ports = append(ports, port)
		}
		if !slices.Equal(ports, want) {
			t.Errorf("%s: ports %d", pattern, ports)
		}
	}
	if _, granted,
		err := parseMnt(bytes.NewReader(capturedResults(t, "3-mount.bin")[0])); err != nil ||
		!granted {
		t.Errorf("granted %v, %v", granted, err)
	}
	var refused MountStatus
	if _, _, err := parseMnt(bytes.NewReader(capturedResults(t,
		"3-unknown-mount.bin")[0])); !errors.As(err, &refused) {
		t.Errorf("an unknown path: %v", err)
	}
	var weak *RPCError
	records := captured(t, "3-kerberos-nfs.bin")
	if _, err := parseReply(records[len(records)-1], 7); !errors.As(err, &weak) ||
		weak.Auth != "AUTH_TOOWEAK" {
		t.Errorf("Kerberos: %v", err)
	}
	for name, stream := range captures(t) {
		if strings.HasPrefix(name, "4.1") && !bytes.Contains(stream, []byte(captureHost)) {
			t.Errorf("%s: the server is not %s", name, captureHost)
		}
	}
}
