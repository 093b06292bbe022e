package sambamon

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"fsmon/cmd/internal/cli"
	"fsmon/smbprobe"
)

const usage = `Watch a Samba (SMB) share and exit when the server is dead or hung.

  clp_sambamon ID -s SHARE [-a ADDRESS] [-u USER] [-p PASSWORD] [-i SECONDS] [-c COUNT] [-r SECONDS]
  clp_sambamon ID -stop [SECONDS] | -pause [SECONDS] | -continue | -disp [--pid | --json] | -drill | -del
  clp_sambamon -check -s SHARE [OPTION...] | -list [--watch SECONDS] [--json] | --help | --version

ID names the watch: 1 to 255 letters, digits, '.', '_', '-', the first a letter or digit.

Watching:
  -s, --share SHARE         share to connect to (required)
  -a, --address ADDRESS     server's IP address or name (127.0.0.1)
      --port PORT           server's TCP port (445)
  -u, --user USER           user to log in as (none: anonymous)
  -p, --password PASSWORD   visible to others for an instant: --credentials or the variable PASSWD are better
      --domain DOMAIN       domain of the user
      --credentials FILE    username=, password=, domain= lines, as for mount.cifs; mode 0600
      --kerberos            log in with a Kerberos ticket, not with NTLM: by a keytab, a ticket cache or the
                            password
      --keytab FILE         keytab of the user who logs in; mode 0600
      --principal NAME      user who logs in, NAME or NAME@REALM (the first of the keytab; -u)
      --ccache FILE         ticket cache that somebody else renews; mode 0600
      --spn cifs/HOST       the server's name in Kerberos (cifs/ and the name after -a)
      --realm REALM         realm of that user (that of the principal, else krb5.conf's)
      --kdc HOST[:PORT],... KDCs of that realm, up to 8 (krb5.conf's, else from DNS)
      --marker FILE         also read this file of the share, which exists only on the disk that is to be
                            mounted there
      --write-test          also write and read back a small file, beside the marker or in the share's root
      --lock-test           also lock and unlock a byte of the marker or of the small file
` + cli.Usage

// flags is clp_sambamon's own options.
type flags struct {
	share, address, user, password, domain, credentials, marker string
	port                                                        int
	writeTest, lockTest, sameDisk                               bool

	noPassword bool // for a user who was given

	kerberos bool
	tickets  cli.Kerberos
}

func (f *flags) declare(o *cli.Options) {
	f.address, f.port = "127.0.0.1", smbprobe.DefaultPort
	o.String(&f.share, "share", "s", "the name of a share")
	o.Required("share")
	o.String(&f.address, "address", "a", "an IP address or a host name")
	o.Int(&f.port, "port", "", 1, 65535, "")
	o.String(&f.user, "user", "u", "a user's name")
	o.Verbatim("user")
	o.Secret(&f.password, "password", "p")
	o.String(&f.domain, "domain", "", "a domain's name")
	o.String(&f.credentials, "credentials", "", "the name of a file")
	o.Bool(&f.kerberos, "kerberos", "")
	f.tickets.Declare(o)
	o.String(&f.marker, "marker", "", "the path of a file within the share")
	o.Bool(&f.writeTest, "write-test", "")
	o.Bool(&f.lockTest, "lock-test", "")
	o.Bool(&f.sameDisk, "same-disk", "")
}

// target checks what the grammar cannot and makes the probe. Its errors are
// wrong usage or configuration.
func (f *flags) target(cli.Policy) (cli.Target, error) {
	if strings.ContainsAny(f.share, `/\`) {
		return cli.Target{}, fmt.Errorf("-s: %q is not accepted (the name of a share alone, "+
			"without server and slashes)", f.share)
	}
	for _, o := range [][2]string{{"-s", f.share}, {"--marker", f.marker}} {
		if err := cli.CheckName(o[0], o[1]); err != nil {
			return cli.Target{}, err
		}
	}
	address, err := cli.ParseAddress("-a", f.address, "--port")
	if err != nil {
		return cli.Target{}, err
	}
	if f.marker != "" {
		if err := smbprobe.CheckMarker(f.marker); err != nil {
			return cli.Target{}, fmt.Errorf("--marker: %q is not accepted (%w)", f.marker, err)
		}
	}
	rotation, err := f.login()
	if err != nil {
		return cli.Target{}, err
	}
	l := rotation.Login()
	var tickets *cli.Tickets
	if f.kerberos {
		password := rotation
		if l.User == "" {
			password = nil
		}
		if tickets, err = f.tickets.Tickets("cifs", address, password); err != nil {
			return cli.Target{}, err
		}
	}
	f.user = l.User // for diagnose
	at := func(address string, tickets *cli.Tickets) *prober {
		c := smbprobe.Config{
			Address: address, Port: f.port, Share: f.share,
			User: l.User, Password: l.Password, Domain: l.Domain,
			Marker: f.marker, WriteTest: f.writeTest, LockTest: f.lockTest,
			// A probe as the FSM manual has it does not go to the disk.
			Identity: f.sameDisk || f.marker != "" || f.writeTest || f.lockTest,
		}
		p := &prober{login: rotation.Again(), tickets: tickets}
		if tickets != nil {
			c.Tickets = p
		}
		p.smb = smbprobe.New(c)
		return p
	}
	p := at(address, tickets)
	freeEvery := 4
	if tickets != nil {
		freeEvery = 2
	}
	return cli.Target{
		FreeEvery: freeEvery,
		Name:      f.share,
		Where:     "//" + net.JoinHostPort(address, strconv.Itoa(f.port)) + "/" + f.share,
		Probe:     p.Probe,
		At: func(address string) cli.Probe {
			if tickets != nil {
				return at(address, tickets.At(address)).Probe
			}
			return at(address, nil).Probe
		},
		SameDisk: f.sameDisk,
		Keep:     p.keep,
		Unseen:   p.unseen,
		User:     l.User,
	}, nil
}

// login is what -u, -p, --domain and --credentials say. Its error is wrong usage
// or configuration.
func (f *flags) login() (*cli.Rotation, error) {
	l := cli.Login{User: f.user, Password: f.password, Domain: f.domain}.SplitDomain()
	if f.kerberos && l.User == "" {
		l.User = f.tickets.Principal // with a keytab there is no password
		if f.tickets.Keytab != "" {
			l.User = ""
		}
	}
	switch given := f.tickets.Given(); {
	case given != "" && !f.kerberos:
		return nil, fmt.Errorf("%s: needs --kerberos", given)
	case f.credentials != "" && (f.password != "" || f.user != "" || f.domain != ""):
		return nil, fmt.Errorf("--credentials: does not go with -u, -p or --domain (the " +
			"file names user, password and domain)")
	case f.credentials != "":
		return cli.ReadCredentials(f.credentials)
	case f.user != "" && l.User == "":
		return nil, fmt.Errorf("-u: %q is not accepted (a domain without a user)", f.user)
	case l.User == "" && (f.password != "" || f.domain != ""):
		return nil, fmt.Errorf("-p and --domain: need a user (-u)")
	case l.User != "" && f.password == "":
		// As mount.cifs has it.
		l.Password = os.Getenv("PASSWD")
		f.noPassword = l.Password == ""
	}
	return cli.NewRotation(l), nil
}
