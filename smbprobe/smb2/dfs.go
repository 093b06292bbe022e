package smb2

// Referral asks the server where a part of a DFS namespace is (MS-DFSC 2.2.2,
// MS-SMB2 3.2.4.20.3). t is the server's IPC$. path is \host\share\name. It
// returns the first target, such as \server\share, or nothing if there is none.
func (t *Tree) Referral(path string) (string, error) {
	const (
		getReferrals = 0x00060194 // FSCTL_DFS_GET_REFERRALS
		isFSCTL      = 1
		version      = 3
		fixed        = 56
		most         = 8 << 10
	)
	m := t.request(cmdIoctl)
	body := len(m)
	m = append(m, make([]byte, fixed)...)
	b := m[body:]
	le.PutUint16(b, fixed+1)
	le.PutUint32(b[4:], getReferrals)
	for i := range 16 {
		b[8+i] = 0xff // no file
	}
	le.PutUint32(b[24:], headerLen+fixed)
	le.PutUint32(b[44:], most)
	le.PutUint32(b[48:], isFSCTL)
	m = append(appendUTF16(le.AppendUint16(m, version), path), 0, 0)
	le.PutUint32(m[body+28:], uint32(len(m)-body-fixed))
	a, err := t.call(m)
	if err != nil {
		return "", err
	}
	r := a.body()
	data, err := a.buffer(le.Uint32(r[32:]), le.Uint32(r[36:]))
	if err != nil {
		return "", err
	}
	return parseReferral(data)
}

// parseReferral returns the target in the first entry of a referral (MS-DFSC
// 2.2.4).
func parseReferral(b []byte) (string, error) {
	const head = 8
	if len(b) < head || le.Uint16(b[2:]) == 0 {
		return "", nil
	}
	entry := b[head:]
	if len(entry) < 18 {
		return "", malformed("DFS referral of %d bytes", len(b))
	}
	at := 0 // of the offset of the network address, by version
	switch le.Uint16(entry) {
	case 2:
		at = 20
	case 3, 4:
		const nameList = 2 // the entry names a domain, not a server
		if le.Uint16(entry[6:])&nameList != 0 {
			return "", nil
		}
		at = 16
	default:
		return "", nil
	}
	if len(entry) < at+2 || int(le.Uint16(entry[at:])) > len(entry) {
		return "", malformed("DFS referral with its name outside the answer")
	}
	return decodeUTF16(entry[le.Uint16(entry[at:]):]), nil
}
