package watch

// Class says who is at fault when a probe fails, and so whether a failover
// would help.
type Class string

// The classes, a closed list.
const (
	Server  Class = "server"  // it is dead, hung, refuses to serve, or answers nonsense
	Path    Class = "path"    // there is no route to it, or its name is not known
	Account Class = "account" // the user of the watch may not log on
	Access  Class = "access"  // share or export are there, but not for this watch
	KDC     Class = "kdc"     // Kerberos' key distribution centre gives no ticket
	Local   Class = "local"   // this machine lacks something
)

// Tolerable are the classes that Policy.Tolerate may have: what the other node
// would meet as well.
var Tolerable = []Class{Path, Account, Access, KDC}
