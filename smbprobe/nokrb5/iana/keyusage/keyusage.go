// Package keyusage has the number that the SMB library names.
package keyusage

// AP_REP_ENCPART is in RFC 4120.
const AP_REP_ENCPART = 12
