package nfsmon

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"fsmon/cmd/internal/cli"
	"fsmon/nfsprobe"
)

const usage = `Watch an NFS export and exit when the server is dead or hung.

  clp_nfsmon ID -d DIRECTORY [-a ADDRESS] [-n PORT] [-i SECONDS] [-c COUNT] [-r SECONDS]
  clp_nfsmon ID -stop [SECONDS] | -pause [SECONDS] | -continue | -disp [--pid | --json] | -drill | -del
  clp_nfsmon -check -d DIRECTORY [OPTION...] | -list [--watch SECONDS] [--json] | --help | --version

ID names the watch: 1 to 255 letters, digits, '.', '_', '-', the first a letter or digit.

Watching:
  -d, --directory DIRECTORY exported directory, as /etc/exports names it (required)
  -a, --address ADDRESS     server's IP address or name (an address of this machine)
  -n, --port PORT           server's NFS port (version 3: asked of the port mapper; version 4: 2049)
      --mount-port PORT     server's mount port (asked of the port mapper)
      --nfs-version VERSION auto, 3, 4, 4.0, 4.1 or 4.2; auto takes what answers first, 3 before 4, and stays
                            with it (auto)
      --nfs4-path PATH      the directory's path in version 4, when its pseudo root makes that another (the
                            one after -d)
      --unprivileged-port   never use a privileged source port, even when permitted
      --sec FLAVOR          how the NFS calls are protected: sys, or by Kerberos krb5, krb5i or krb5p, as in
                            /etc/exports (sys)
      --keytab FILE         keytab of the user who logs in; mode 0600
      --principal NAME      user who logs in, NAME or NAME@REALM (the first of the keytab; username= of the
                            credentials)
      --ccache FILE         ticket cache that somebody else renews; mode 0600
      --credentials FILE    username= and password= lines of that user, without a keytab; mode 0600
      --spn nfs/HOST        the server's name in Kerberos (nfs/ and the name after -a)
      --realm REALM         realm of that user (that of the principal, else krb5.conf's)
      --kdc HOST[:PORT],... KDCs of that realm, up to 8 (krb5.conf's, else from DNS)
      --tls                 secure the connection to the NFS server with TLS, as clients with xprtsec=tls do
      --tls-ca FILE         certificates, in PEM, of the authorities that the server's may come from (those of
                            this machine)
      --tls-name HOST       the name that the server's certificate must have (the address)
      --tls-cert FILE       certificate of the watch, in PEM, for servers that want one (xprtsec=mtls)
      --tls-key FILE        its key, in PEM; mode 0600
      --grace-limit SECONDS how long a restarted server that opens no files yet is healthy, 1 to 10000 (180)
      --marker FILE         also read this file below the directory, which exists only on the disk that is to
                            be mounted there
      --write-test          also write, read back and remove a small file, beside the marker or in the
                            directory
      --lock-test           also lock and unlock the marker or the small file, in version 3 ask the lock and
                            status services
` + cli.Usage

// flags is clp_nfsmon's own options.
type flags struct {
	dir, path4, address, version, marker string
	port, mountPort                      int
	unprivileged, writeTest, lockTest    bool
	sameDisk, tls                        bool
	tlsName                              string
	files                                tlsFiles
	graceLimit                           int // seconds
	sec, credentials                     string
	kerberos                             cli.Kerberos

	user    string        // whose password is in the credentials; empty: there is none
	verdict time.Duration // until the verdict on a server that refuses
}

func (f *flags) declare(o *cli.Options) {
	f.version, f.graceLimit, f.sec = "auto", 180, "sys"
	o.String(&f.dir, "directory", "d", "the path of an exported directory")
	o.Required("directory")
	o.String(&f.address, "address", "a", "an IP address or a host name")
	o.Int(&f.port, "port", "n", 1, 65535, "")
	o.Int(&f.mountPort, "mount-port", "", 1, 65535, "")
	o.String(&f.version, "nfs-version", "", "auto, 3, 4, 4.0, 4.1 or 4.2")
	o.String(&f.path4, "nfs4-path", "", "a path")
	o.Bool(&f.unprivileged, "unprivileged-port", "")
	o.String(&f.marker, "marker", "", "the path of a file below the directory")
	o.Bool(&f.writeTest, "write-test", "")
	o.Bool(&f.lockTest, "lock-test", "")
	o.String(&f.sec, "sec", "", "sys, krb5, krb5i or krb5p")
	o.String(&f.credentials, "credentials", "", "the name of a file")
	f.kerberos.Declare(o)
	o.Bool(&f.tls, "tls", "")
	o.String(&f.files.ca, "tls-ca", "", "the name of a file")
	o.String(&f.tlsName, "tls-name", "", "a host name or an IP address")
	o.String(&f.files.cert, "tls-cert", "", "the name of a file")
	o.String(&f.files.key, "tls-key", "", "the name of a file")
	o.Bool(&f.sameDisk, "same-disk", "")
	o.Int(&f.graceLimit, "grace-limit", "", 1, 10000, "seconds")
}

// target checks what the grammar cannot and makes the probe. Its errors are
// wrong usage or configuration.
func (f *flags) target(policy cli.Policy) (cli.Target, error) {
	if f.dir[0] != '/' {
		return cli.Target{}, fmt.Errorf("-d: %q is not accepted (the path of an exported "+
			"directory, which begins with /; the server's name or address goes with -a)", f.dir)
	}
	if f.path4 != "" && f.path4[0] != '/' {
		return cli.Target{}, fmt.Errorf("--nfs4-path: %q is not accepted (a path, which begins with /)",
			f.path4)
	}
	for _, o := range [][2]string{{"-d", f.dir}, {"--nfs4-path", f.path4}, {"--marker", f.marker}} {
		if err := cli.CheckName(o[0], o[1]); err != nil {
			return cli.Target{}, err
		}
	}
	if f.marker != "" {
		if err := nfsprobe.CheckMarker(f.marker); err != nil {
			return cli.Target{}, fmt.Errorf("--marker: %q is not accepted (%w)", f.marker, err)
		}
	}
	switch f.version {
	case "auto", "3", "4", "4.0", "4.1", "4.2":
	default:
		return cli.Target{}, fmt.Errorf("--nfs-version: %q is not accepted (auto, 3, 4, 4.0, 4.1 or 4.2)",
			f.version)
	}
	if f.lockTest && f.version != "3" && f.marker == "" && !f.writeTest {
		return cli.Target{}, fmt.Errorf("--lock-test: needs --marker or --write-test, or " +
			"--nfs-version 3 (version 4 locks a file, not the directory)")
	}
	if f.version == "3" && f.path4 != "" {
		return cli.Target{}, fmt.Errorf("--nfs4-path: does not go with --nfs-version 3")
	}
	if f.version[0] == '4' && f.mountPort != 0 {
		return cli.Target{}, fmt.Errorf("--mount-port: does not go with --nfs-version %s "+
			"(version 4 has no mount service)", f.version)
	}
	var notes []string
	if f.address == "" {
		f.address = ownAddress()
		notes = append(notes, "the address "+f.address+", one of this machine's own, since there "+
			"is no -a")
	}
	address, err := cli.ParseAddress("-a", f.address, "-n")
	if err != nil {
		return cli.Target{}, err
	}
	if err := f.tlsOptions(); err != nil {
		return cli.Target{}, err
	}
	tickets, err := f.tickets(address)
	if err != nil {
		return cli.Target{}, err
	}
	config := nfsprobe.Config{
		Dir: f.dir, Path4: f.path4, Port: f.port, MountPort: f.mountPort, Version: f.version,
		Unprivileged: f.unprivileged, Marker: f.marker, WriteTest: f.writeTest, LockTest: f.lockTest,
		Security: f.sec,
	}
	var contents []byte
	if f.tls {
		// A witness must have the same name: it is another way to the server, or
		// has the same certificate.
		f.tlsName, _, _ = strings.Cut(cmp.Or(f.tlsName, address), "%")
		if config.TLS, contents, err = f.files.load(f.tlsName); err != nil {
			return cli.Target{}, err
		}
	}
	at := func(address string, tickets *cli.Tickets) cli.Probe {
		there := config
		there.Address = address
		if tickets != nil {
			there.Ticket = logsIn(tickets)
		}
		nfs := nfsprobe.New(there)
		probe := f.probe(nfs)
		if f.tls {
			probe = f.renewing(nfs, contents)
		}
		return probe
	}
	where := address
	if f.port != 0 {
		where = net.JoinHostPort(address, strconv.Itoa(f.port))
	} else if strings.Contains(address, ":") {
		where = "[" + address + "]"
	}
	f.verdict, _ = policy.Verdict()
	freeEvery := 4
	if tickets != nil || f.tls {
		freeEvery = 1 // with Kerberos a probe leaves up to 230 kB
	}
	return cli.Target{Name: f.dir, Where: where + ":" + f.dir, FreeEvery: freeEvery,
		GraceLimit: time.Duration(f.graceLimit) * time.Second, SameDisk: f.sameDisk,
		Probe: at(address, tickets), Notes: notes, User: f.user,
		At: func(address string) cli.Probe {
			if tickets == nil {
				return at(address, nil)
			}
			return at(address, tickets.At(address))
		}}, nil
}

// ownAddress is the first global address of this machine, an IPv4 one if there
// is any (FSM manual 7.4: export lists often leave out localhost), else
// 127.0.0.1.
func ownAddress() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "127.0.0.1"
	}
	var six string
	for _, a := range addrs {
		network, ok := a.(*net.IPNet)
		if !ok || !network.IP.IsGlobalUnicast() {
			continue
		}
		if network.IP.To4() != nil {
			return network.IP.String()
		}
		if six == "" {
			six = network.IP.String()
		}
	}
	if six != "" {
		return six
	}
	return "127.0.0.1"
}
