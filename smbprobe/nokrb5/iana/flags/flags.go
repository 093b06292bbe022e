// Package flags stands in for a package that the SMB library imports.
package flags

// APOptionMutualRequired is in RFC 4120.
const APOptionMutualRequired = 2
