package sambamon

import "fsmon/smbprobe"

const (
	lookAccount  = " The server itself answers: this is about the account, not about the service."
	lookPassword = "The server does not accept this user and password. Look at their spelling, " +
		"at --domain, and whether the account exists on the server (pdbedit -L; for a domain: " +
		"wbinfo -u). With --credentials, correct the file."
	lookNoPassword = "No password was given (--credentials, the variable PASSWD or -p). "
	lookGone       = "The server dropped what the probe had just set up: it was probably restarted or " +
		"reconfigured at this moment. Check again; if it stays, look at its log."
	// Samba answers 1450 for a share's max connections, and closes a connection
	// before the first answer for max smbd processes.
	lookLimits = "A limit of the server or the share may be reached: on Samba look at max " +
		"connections and max smbd processes (testparm -s), and with smbstatus at who is connected; " +
		"on Windows at the share's ConcurrentUserLimit (Get-SmbShare), at net config server, and " +
		"at the 20 connections of a client edition. "
	lookServer = "Look at the server's log (journalctl -u smbd, /var/log/samba), at its memory, " +
		"disks and load."
)

// looks says what a status of the server means and what to look at (MS-ERREF
// 2.3.1, MS-SMB2 3.3.5). fileLooks and diskLooks go before it.
var looks = map[smbprobe.Status]string{
	// The share.
	0xC00000CC: "The server has no such share, or the share's directory is not there: look at " +
		"the spelling after -s, at testparm -s, and whether the disk below the share's path is " +
		"mounted. The root of a DFS namespace and a msdfs proxy share hold nothing themselves: " +
		"watch the share of the server that they lead to.",
	0xC0000257: lookDFS, // PATH_NOT_COVERED
	0xC00000CB: "The share is not of the kind the probe asked for. Give -s a disk or printer share.",
	0xC0000022: "The server does not let this account into the share: look at its valid users " +
		"and hosts allow. If the step session setup says guest, the server does not know the " +
		"user, and a share that requires encryption is closed to guests.",
	// The account.
	0xC000006D: lookPassword,
	0xC000006A: lookPassword,
	0xC0000072: "The account is disabled. Enable it, or watch with another one." + lookAccount,
	0xC0000234: "The account is locked out, most likely after wrong passwords, perhaps those of " +
		"a watch. Unlock it, correct the password wherever it is used, and mind the lockout policy." + lookAccount,
	0xC0000071: "The account's password has expired. Set a new one, and one that does not expire " +
		"for an account that only watches." + lookAccount,
	0xC0000224: "The account must change its password before it may log on. Set a password " +
		"without that condition." + lookAccount,
	0xC000006E: "The account may log on, but a restriction forbids it: Windows refuses empty " +
		"passwords over the network, for one. Look at the account's policy." + lookAccount,
	0xC000006F: "The account may not log on at this hour. Lift that from an account that watches " +
		"round the clock." + lookAccount,
	0xC0000070: "The account may not log on from this machine. Look at the workstations it is " +
		"allowed." + lookAccount,
	0xC000015B: "The account has no right to log on over the network. Look at the server's user " +
		"rights (\"access this computer from the network\")." + lookAccount,
	0xC0000193: "The account has expired. Extend it, or watch with another one." + lookAccount,
	0xC0000418: lookNoNTLM,
	// The domain.
	0xC000005E: "The server reached no domain controller to check the password with. Look at the " +
		"domain controllers, and on the server at wbinfo -p and its DNS.",
	0xC0000133: "The clocks of the server and its domain controller are too far apart. Look at " +
		"the time service of both (chronyc tracking, w32tm /query /status).",
	0xC000018D: "The server's membership of its domain is broken. Look on the server at wbinfo " +
		"-t (or nltest /sc_verify), and join it again if need be.",
	// The server.
	0xC000009A: lookLimits + "Otherwise it has not enough memory or other resources for one more " +
		"client. " + lookServer,
	0xC0000017: "The server has no memory left for one more client. Samba says the same until its " +
		"notify daemon has started: if it was started just now, check again in a few seconds. " +
		lookServer,
	0xC00000D0: lookLimits + "Otherwise it is shutting down.",
	0xC0000203: lookGone,
	0xC00000C9: lookGone,
	0xC00000BB: "The server does not support what the probe asked for. Look at server min " +
		"protocol and server max protocol: the probe speaks SMB 2.0.2 to 3.1.1.",
	0xC000000D: "The server calls the request invalid. With an address or share of unusual " +
		"characters look at these first; otherwise at server min protocol, and at what stands " +
		"between here and the server (a proxy, a WAN accelerator).",
	0xC00000C3: "The server, or something in its place, gave an answer it should not give. Is " +
		"this the port of an SMB server (-a, --port)? " + lookServer,
}

// deniedAnonymous is for what a probe without a user is refused; deniedLogon
// for ACCESS_DENIED to one whose user got no session.
const (
	deniedAnonymous = "The server does not let an anonymous client or guest in here: it requires " +
		"a user, or it requires encryption, which a guest cannot do. Give -u and -p (or " +
		"--credentials)."
	deniedLogon = "The server refuses this account a session. Look at the server's user rights " +
		"and policies, and at its encryption and signing requirements (server smb encrypt, " +
		"server signing)."
)

// For logins that the server does not take.
const (
	lookTicketRefused = "The KDC gave a ticket, but the server does not take it: look whether " +
		"--spn is the name that the server has in the realm, whether its keytab or machine " +
		"password is the current one (klist -kte; net ads testjoin), and whether its clock is right."
	lookUserRefused = "The KDC gave a ticket, and the server took it, but it does not let its user " +
		"in: look whether it knows the user (getent passwd, wbinfo -i), and whether that one may " +
		"log on there." + lookAccount
	lookNoNTLM = "NTLM is switched off on the server (ntlm auth = disabled in smb.conf, on " +
		"Windows the policies \"Restrict NTLM\"): this server wants Kerberos. Log in with " +
		"--kerberos, or allow NTLM again. The server itself answers: this is about how the probe " +
		"logs in, not about the service."
	lookNoKerberos = "The server does not take Kerberos, or has lost its keytab: on Samba look at " +
		"realm, kerberos method and the keytab (testparm -s; klist -kte), or leave --kerberos away."
)

const lookUnknown = "The server refused with a status for which this program has no advice: look " +
	"it up in the manual (MS-ERREF 2.3.1). " + lookServer

// lookDFS is for a link whose target is not known, lookDFSTo for one whose
// target is.
const (
	lookDFS = "The share or the marker is a DFS link: the data is on another server, which the " +
		"probe does not go to. On a Samba server readlink in the share's directory shows where " +
		"(msdfs:SERVER\\SHARE), on Windows Get-DfsnFolderTarget. " + lookWatchTarget
	lookDFSTo = "The share or the marker is a DFS link to %s: the data is there, and the probe " +
		"does not go there. " + lookWatchTarget
	lookWatchTarget = "Watch that server and share (-a, -s), or give --marker a file of this share."
)

const (
	lookSMB1 = "The server speaks only the old SMB1 protocol, which the probe does not. Look at " +
		"server max protocol, which should be SMB3, or at the age of the server."
	lookMalformed = "What answers there is not a sound SMB server: look whether -a and --port " +
		"name the right one, and at what stands in between. If they do, look at the server's log " +
		"for a crash."
	lookTurnedAway = "The server turns this machine away before any SMB is spoken: look at hosts " +
		"allow and hosts deny in [global]."
	lookCalledName = "The server does not know the NetBIOS name that it was called by: on --port 139 " +
		"*SMBSERVER, then the name after -a, if it is no address. Give -a the server's NetBIOS " +
		"name (nmblookup -A shows it), or leave --port away if it serves port 445."
	// Before the first answer, where a limit ends connections as well.
	lookClosedEarly = "The server closed the connection before its first answer: its process " +
		"ended, or it turns this client away. Look at its log and for crashes; a firewall that " +
		"cuts connections looks the same. " + lookLimits
	lookResources = "The server has no resources for one more client. " + lookServer
	lookPipe      = "Give -s the name of a share that holds files. A pipe such as IPC$ says nothing " +
		"about them."
)
