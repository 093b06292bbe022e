// Package flags has the flag that the SMB library names.
package flags

// APOptionMutualRequired is in RFC 4120.
const APOptionMutualRequired = 2
