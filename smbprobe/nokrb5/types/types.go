// Package types stands in for a package that the SMB library imports.
package types

// EncryptionKey is a key.
type EncryptionKey struct{ KeyValue []byte }

// EncryptedData is what a key encrypted.
type EncryptedData struct{}
