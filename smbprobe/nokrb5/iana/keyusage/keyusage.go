// Package keyusage stands in for a package that the SMB library imports.
package keyusage

// AP_REP_ENCPART is in RFC 4120.
const AP_REP_ENCPART = 12
