package nfstest

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Export is one export of a lab, at Lab.Path(Name) in version 3 and at /Name in
// version 4. The settings are those of ganesha-export-config(8).
type Export struct {
	Name       string // a plain word
	Squash     string // default no_root_squash
	SecType    string // default "sys, none"
	Clients    string // an address or network; default: everybody
	Privileged bool   // clients must have a source port below 1024
	ReadOnly   bool
	Mode       os.FileMode
}

// Exports returns the exports of every lab: export (everything allowed),
// squashed (root is squashed, and the directory is root's with mode 0700),
// restricted (for 203.0.113.9 only), kerberos (Kerberos flavors only) and
// secure (privileged source ports only).
func Exports() []Export {
	return []Export{
		{Name: "export"},
		{Name: "squashed", Squash: "root_squash", Mode: 0o700},
		{Name: "restricted", Clients: "203.0.113.9"},
		{Name: "kerberos", SecType: "krb5, krb5i, krb5p"},
		{Name: "secure", Privileged: true},
	}
}

// writeConf makes the exported directories and ganesha.conf.
func (l *Lab) writeConf(exports []Export) error {
	protocols := "3, 4"
	switch {
	case l.config.NoV3:
		protocols = "4"
	case l.config.NoV4:
		protocols = "3"
	}
	minors := strings.Join(strings.Fields(strings.Trim(fmt.Sprint(l.config.Minors), "[]")), ", ")
	var conf strings.Builder
	contexts := 16384 // the default
	if l.config.Forgetful {
		contexts = 1 // less than one for each of its 13 tables
	}
	// In a container Ganesha 6 may not do what it would like to; 4 only warns of
	// the option.
	fmt.Fprintf(&conf, `NFS_CORE_PARAM {
	Protocols = %s; NFS_Port = %d; MNT_Port = %d;
	Enable_NLM = %t; Enable_RQUOTA = false; mount_path_pseudo = false; allow_set_io_flusher_fail = true;
	RPC_GSS_Max_Ctx = %d;
}
NFSV4 { Minor_Versions = %s; Grace_Period = 5; Lease_Lifetime = 10; RecoveryBackend = fs; }
NFS_KRB5 { %s }
LOG { Default_Log_Level = EVENT; }
`, protocols, l.config.NFSPort, l.config.MountPort, l.config.Locks, contexts,
		minors, l.kerberos())
	for _, e := range exports {
		id, err := l.exportDir(e)
		if err != nil {
			return err
		}
		access := "Access_Type = RW;"
		if e.ReadOnly {
			access = "Access_Type = RO;"
		}
		if e.Clients != "" {
			access = "Access_Type = None; CLIENT { Clients = " + e.Clients + "; " + access + " }"
		}
		fmt.Fprintf(&conf, `EXPORT {
	Export_Id = %d; Path = %s; Pseudo = /%s; FSAL { Name = VFS; }
	Squash = %s; SecType = %s; PrivilegedPort = %t; Attr_Expiration_Time = 0;
	Protocols = %s; Transports = TCP, UDP;
	%s
}
`, id, l.path(e.Name), e.Name, cmp.Or(e.Squash, "no_root_squash"),
			cmp.Or(e.SecType, "sys, none"), e.Privileged, protocols, access)
	}
	return os.WriteFile(l.path("ganesha.conf"), []byte(conf.String()), 0o644)
}

// Kerberos gives Ganesha a keytab, with keys for nfs/HOST, and a krb5.conf from
// its next start on. Exports for Kerberos are to be among Config.Exports.
func (l *Lab) Kerberos(keytab, krb5Conf string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keytab, l.krb5Conf = keytab, krb5Conf
}

func (l *Lab) kerberos() string {
	if l.keytab == "" {
		return "Active_krb5 = false;"
	}
	return fmt.Sprintf("Active_krb5 = true; PrincipalName = nfs; KeytabPath = %s; CCacheDir = %s;",
		l.keytab, l.dir)
}

// exportDir makes the directory of an export if it has none, and returns the
// export's number. An export keeps its number as long as the lab lives, since
// Ganesha tells exports apart by it.
func (l *Lab) exportDir(e Export) (id int, err error) {
	id = slices.Index(l.numbered, e.Name) + 1
	if id > 0 {
		return id, nil // a test may have removed or changed the directory
	}
	dir := l.path(e.Name)
	if err := mkdir(dir, cmp.Or(e.Mode, 0o755)); err != nil {
		return 0, err
	}
	if err := mkdir(dir+"/sub", 0o755); err != nil {
		return 0, err
	}
	l.numbered = append(l.numbered, e.Name)
	return len(l.numbered), os.WriteFile(dir+"/file", []byte("a regular file\n"), 0o644)
}
