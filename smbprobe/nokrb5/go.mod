// Stands in for Kerberos, which no probe uses: the SMB library names it, and with it come net/http,
// crypto/tls and encoding/gob, a megabyte of every watch.
module github.com/jcmturner/gokrb5/v8

go 1.26.0
