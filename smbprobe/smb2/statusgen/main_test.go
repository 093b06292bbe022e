package main

import (
	"bytes"
	"os"
	"testing"
)

func TestCommittedNamesAreUpToDate(t *testing.T) {
	const committed = "../ntstatus.go"
	got, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	want, err := source()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what x/sys says: run go generate fsmon/smbprobe/smb2/statusgen",
			committed)
	}
}
