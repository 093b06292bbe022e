module fsmon

go 1.26.0

// What each library is for, and why this one.
//
// cloudsoda/go-smb2      Tests, as an independent opinion on the same servers. The maintained line, in
//                        production until smbprobe/smb2. It refuses six kinds of servers that smbclient
//                        takes (AES-256 alone, one signing algorithm, odd challenges, a LOGOFF answered
//                        with session ID 0), and of 92 malformed answers it panics on one.
// hirochachacha/go-smb2  Tests, as a second opinion on the same servers. The original, unmaintained
//                        since 2022: seven kinds, no anonymous login, 13 malformed answers end the
//                        process, and GO-2026-5051 has no fix.
//                        (github.com/jfjallid/go-smb v0.8.0 was tried too: it refuses SMB 2.0.2, 3.0 and
//                        3.0.2 of Samba, 7 of the malformed answers end the process, and 21 hang it,
//                        since it has no read deadlines. smbprobe/testdata/differential.txt shows where
//                        the libraries here disagree.)
// buildbarn/go-xdr       nfsprobe. XDR of RPC, MOUNT, NFS 3 and 4; our transport caps every size.
// vmware/go-nfs-client   Tests, as a second opinion. It blocks on a silent port mapper, allocates
//                        what a server claims, and knows neither IPv6 nor contexts.
// willscott/go-nfs       Tests. An NFS 3 server that is neither the kernel's nor Ganesha; it serves a
//                        file system of go-git/go-billy.
// oiweiwei/gokrb5.fork   kerberos. Cryptography, keytabs and ASN.1 types of the maintained line of gokrb5,
//                        with jcmturner/gofork for its ASN.1. Not its client, which has no deadlines,
//                        nor its messages: they bring encoding/gob and HTTP/2's tables along, 120 kB of
//                        private memory in every watch.
// gofrs/flock            watchreg. The lock, with O_NOFOLLOW and the inode of what it holds.
// spf13/pflag            Options. Our parser does the one-dash words before it. Its errors quote
//                        values, also passwords, so they are never shown.
// prometheus/client_golang, common, exporter-toolkit
//                        fsmon_exporter only: the formats of Prometheus, its own metrics, and TLS, users
//                        and systemd's sockets as every exporter has them. Its options are pflag's, as
//                        elsewhere here: kingpin, which other exporters use, would bring three modules.
// goccy/go-yaml          fsmon_exporter's configuration. Maintained, says where in the file a mistake
//                        is, and has no dependencies. yaml.v3 (go.yaml.in) names Go types instead.
// prometheus/procfs      lab only. In a watch it would cost 172 kB of private memory.
// gonum.org/v1/plot      lab only: the chart of make bench.
// BurntSushi/toml        kitrunner's resource files.
// golang.org/x/crypto    smbprobe/ntlm. Only md4, which hashes the password of an NTLM login.
//                        Tests of fsmon_exporter: bcrypt.
// golang.org/x/sys       Clocks, FIFO, poll; services, event log and job objects of Windows; the names
//                        of NTSTATUS, from which smbprobe/smb2/ntstatus.go is generated.
//
// goleak, go-cmp, go-internal and golang.org/x/net/html serve tests, honnef.co/go/tools is
// staticcheck. The tools for packages and manuals are in .ci/tools.mod, so that what they bring
// stays out of here.

require (
	github.com/go-git/go-billy/v5 v5.6.0
	github.com/gofrs/flock v0.13.1
	github.com/google/go-cmp v0.7.0
	github.com/hirochachacha/go-smb2 v1.1.0
	github.com/prometheus/procfs v0.23.0
	github.com/spf13/pflag v1.0.10
	go.uber.org/goleak v1.3.0
	golang.org/x/crypto v0.57.0
	golang.org/x/sys v0.49.0
	gonum.org/v1/plot v0.17.0
)

require (
	github.com/cloudsoda/go-smb2 v0.0.0-20260918041005-0c5d69b69701
	github.com/goccy/go-yaml v1.19.2
	github.com/jcmturner/gofork v1.7.6
	github.com/oiweiwei/gokrb5.fork/v9 v9.0.6
	github.com/prometheus/client_golang v1.25.0
	github.com/prometheus/common v0.72.0
	github.com/prometheus/exporter-toolkit v0.16.0
	golang.org/x/net v0.59.0
)

require (
	codeberg.org/go-fonts/liberation v0.5.0 // indirect
	codeberg.org/go-latex/latex v0.2.0 // indirect
	codeberg.org/go-pdf/fpdf v0.11.1 // indirect
	git.sr.ht/~sbinet/gg v0.7.0 // indirect
	github.com/ajstarks/svgo v0.0.0-20211024235047-1546f124cd8b // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/cloudsoda/sddl v0.0.0-20250224235906-926454e91efc // indirect
	github.com/coreos/go-systemd/v22 v22.7.0 // indirect
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/golang/freetype v0.0.0-20170609003504-e2365dfdc4a0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/hashicorp/go-uuid v1.0.3 // indirect
	github.com/hashicorp/golang-lru/v2 v2.0.7 // indirect
	github.com/jcmturner/aescts/v2 v2.0.0 // indirect
	github.com/jcmturner/dnsutils/v2 v2.0.0 // indirect
	github.com/jcmturner/goidentity/v6 v6.0.1 // indirect
	github.com/jcmturner/gokrb5/v8 v8.4.4 // indirect
	github.com/jcmturner/rpc/v2 v2.0.3 // indirect
	github.com/jpillora/backoff v1.0.0 // indirect
	github.com/mdlayher/socket v0.4.1 // indirect
	github.com/mdlayher/vsock v1.2.1 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/mwitkow/go-conntrack v0.0.0-20190716064945-2f068394615f // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/rasky/go-xdr v0.0.0-20170124162913-1a41d1a06c93 // indirect
	github.com/willscott/go-nfs-client v0.0.0-20240104095149-b44639837b00 // indirect
	go.yaml.in/yaml/v2 v2.4.4 // indirect
	golang.org/x/image v0.30.0 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	golang.org/x/time v0.15.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

require (
	github.com/BurntSushi/toml v1.4.1-0.20240526193622-a339e1f7089c
	github.com/buildbarn/go-xdr v0.0.0-20261005144839-a2095890273e
	github.com/geoffgarside/ber v1.1.0 // indirect
	github.com/rogpeppe/go-internal v1.16.0
	github.com/vmware/go-nfs-client v0.0.0-20190605212624-d43b92724c1b
	github.com/willscott/go-nfs v0.0.4
	golang.org/x/exp/typeparams v0.0.0-20231108232855-2478ac86f678 // indirect
	golang.org/x/mod v0.41.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	honnef.co/go/tools v0.8.2 // indirect
)

tool honnef.co/go/tools/cmd/staticcheck
