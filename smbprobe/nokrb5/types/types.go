// Package types has the two types that the SMB library names.
package types

// EncryptionKey is a key.
type EncryptionKey struct{ KeyValue []byte }

// EncryptedData is what a key encrypted.
type EncryptedData struct{}
