package smbprobe
import ("testing";"sync";"errors")
func TestZZ(t *testing.T) {
	s := fresh(t)
	config := at(t, s.Addr(), "fresh")
	config.WriteTest = true
	var wg sync.WaitGroup
	for range testNames {
		wg.Go(func() {
			for range 60 {
				if r, err := probe(t, config); err != nil {
					t.Error(err)
					var m *MalformedError
					_ = errors.As(err, &m)
					for _, w := range r.Wire {
						d := w.Data[4:]
						if len(d) < 64 { continue }
						t.Logf("%s %v cmd %d mid %d status %08x flags %x credits %d len %d", w.At.Format("05.000000"), w.To, le.Uint16(d[12:]), le.Uint64(d[24:]), le.Uint32(d[8:]), le.Uint32(d[16:]), le.Uint16(d[14:]), len(d))
						if le.Uint16(d[12:])==6 || le.Uint16(d[12:])==17 { t.Logf("   % x", d[64:]) }
					}
				}
			}
		})
	}
	wg.Wait()
}
