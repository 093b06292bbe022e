package smbprobe

import (
	"fmt"
	"strings"
	"time"
)

// Report is what a probe learnt before it ended or failed.
type Report struct {
	Address string // the connection's address and port; empty without a connection
	Rungs   []Rung // the steps that were begun, in wire order

	Dialect         string // "2.0.2" to "3.1.1"; empty before the negotiate answer
	SigningRequired bool   // the server requires signing
	Encryption      string // "session" or "share", and the cipher; empty: none
	Identity        string // "anonymous", "guest", "user"; empty before a session
	// ShareType is "disk", "printer", "pipe" or "type 0xNN". It is "not
	// visible" in a session encrypted as a whole, and empty before the tree
	// connect.
	ShareType string
	Warnings  []string

	// Wire is what the probe sent and received, in order: up to 128 KiB,
	// including what each segment itself takes. The security buffers of session
	// setup are zeroed.
	Wire []Segment
}

// Rung is one step that was begun.
type Rung struct {
	Step   Step
	Took   time.Duration // not negative; until the probe's end if no answer came
	Learnt string        // for people; may be empty
}

func (r *Report) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// dialects are the names of SMB2 dialects (MS-SMB2 2.2.4).
var dialects = map[uint16]string{
	0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1",
}

func (n negotiated) cipherName() string {
	if n.cipher == cipherGCM {
		return "AES-128-GCM"
	}
	return "AES-128-CCM"
}

// signingName is the algorithm of signatures (MS-SMB2 2.2.3.1.7, 3.1.4.1).
func (n negotiated) signingName() string {
	switch {
	case n.signingAgreed && n.signing == signingGMAC:
		return "AES-128-GMAC"
	case n.dialect < 0x0300, n.signingAgreed && n.signing == signingHMAC:
		return "HMAC-SHA256"
	}
	return "AES-128-CMAC"
}

var signingNeed = map[bool]string{false: "signing optional", true: "signing required"}

func shareTypeName(kind byte) string {
	switch kind {
	case shareTypeDisk:
		return "disk"
	case shareTypePipe:
		return "pipe"
	case ShareTypePrinter:
		return "printer"
	}
	return fmt.Sprintf("type 0x%02X", kind)
}

// learn fills the report from what the guard recorded. user is the configured
// user, or empty for an anonymous login. Steps after the last one are left out:
// a failed probe may still have disconnected.
func (r *Report) learn(f facts, user string, last Step) {
	if name, ok := dialects[f.server.dialect]; ok {
		r.Dialect = name
		r.SigningRequired = f.server.signingRequired
	}
	if f.status[SessionSetup] == statusOK && f.setups > 0 {
		switch {
		case f.session&sessionGuest != 0:
			r.Identity = "guest"
		case f.session&sessionNull != 0 || user == "":
			r.Identity = "anonymous"
		default:
			r.Identity = "user"
		}
		if f.session&sessionEncrypt != 0 {
			r.Encryption = "session, " + f.server.cipherName()
		}
	}
	if f.haveType {
		r.ShareType = shareTypeName(f.kind)
		if f.share&shareEncrypt != 0 && r.Encryption == "" {
			r.Encryption = "share, " + f.server.cipherName()
		}
	} else if last > TreeConnect && f.session&sessionEncrypt != 0 {
		r.ShareType = "not visible"
	}
	for s := Negotiate; s <= last; s++ {
		began, ok := f.began[s]
		if !ok {
			continue
		}
		took := time.Since(began)
		if ended, ok := f.ended[s]; ok {
			took = ended.Sub(began)
		}
		r.Rungs = append(r.Rungs, Rung{Step: s, Took: took, Learnt: r.learnt(s, f, user)})
	}
}

// learnt says for people what a step has shown.
func (r *Report) learnt(s Step, f facts, user string) string {
	var parts []string
	if text := f.learnt[s]; text != "" {
		parts = append(parts, text)
	}
	switch s {
	case Negotiate:
		if r.Dialect != "" {
			parts = append(parts, "SMB "+r.Dialect)
			if r.SigningRequired {
				parts = append(parts, "signing required")
			}
		}
	case SessionSetup:
		switch r.Identity {
		case "user":
			parts = append(parts, "NTLMv2 user "+user)
			if f.session&sessionEncrypt == 0 { // else nothing is signed
				parts = append(parts, signingNeed[r.SigningRequired], f.server.signingName())
			}
		case "guest", "anonymous":
			parts = append(parts, r.Identity)
		}
		if f.session&sessionEncrypt != 0 {
			parts = append(parts, "encrypted, "+f.server.cipherName())
		}
	case TreeConnect:
		switch r.ShareType {
		case "":
		case "not visible":
			parts = append(parts, "share type not visible")
		default:
			parts = append(parts, r.ShareType)
		}
		if f.share&shareEncrypt != 0 {
			parts = append(parts, "encrypted, "+f.server.cipherName())
		}
	}
	return strings.Join(parts, ", ")
}
