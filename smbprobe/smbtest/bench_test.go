package smbtest

import "testing"

func BenchmarkStart(b *testing.B) {
	for range b.N {
		s := Samba(b, Config{})
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
