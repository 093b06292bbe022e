package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"fsmon/kitrunner"
)

const usageText = `Perform a documented action of a LifeKeeper recovery kit, step by step.

  kitrunner KIT ACTION --tag TAG [options]   KIT: lanman, ip, volume
                                             ACTION: quickCheck, deepCheck, restore, remove,
                                             recover (volume has none)
  kitrunner doctor KIT --tag TAG [options]   look whether all of it can work here, and change nothing
  kitrunner watch KIT --tag TAG [options]    quickCheck and deepCheck again and again, recover on a failure
  kitrunner list|pause|continue|stop         the watches of this system, and what to tell them
  kitrunner service install|remove KIT       a watch as a service of Windows
  kitrunner rejoin [options]                 clean up after a node's re-installation

The resource:
      --tag TAG               resource tag (required)
      --id ID                 lanman: the alias; ip: the IPv4 address
      --node NAME             this system's name (its host name)
      --peer NAME             the standby system's name
      --nic NAME              ip: network adapter of the address, as the connection is called
      --guid GUID             ip: its GUID
      --mask MASK             ip: netmask, 255.255.255.0
      --backup-nic NAME       ip: network adapter for local recovery
      --backup-guid GUID      ip: its GUID
      --local-recovery        ip: local recovery is enabled
      --volume LETTER         volume: drive letter
      --resource FILE         any of these and of those below from a file, .json or .toml, by the options'
                              names; the command line overrides it

What to do:
      --plan                  print the numbered steps with their commands, run nothing
      --json                  report as JSON on stdout; the steps are shown on stderr
      --events FILE           append the events to FILE as JSON lines, on Windows too
      --native                our own write test, SNMP trap and list of addresses, not CheckVolume,
                              EISMEventNotice and ips_ipchange; the report names them "kitrunner itself"
      --trap-destination HOST[:PORT]   where --native's SNMP trap goes
      --trap-community NAME   its community string (public)

Where things are, and how long they may take:
      --lkroot, --lkbin, --extmirrbase, --system32 DIRECTORY
                              (%%LKROOT%%, %%LKBIN%%, %%ExtMirrBase%%, %%SystemRoot%%\System32)
      --state-dir DIRECTORY   locks, and which adapter holds an address (%%ProgramData%%\kitrunner, open to
                              administrators only; elsewhere /var/lib/kitrunner or the user's cache directory)
      --plain-volume          EMCMD's volume argument is E, not E:
      --query-timeout, --change-timeout SECONDS   of a command that asks (30), that changes something (300)
      --switchover-timeout, --lock-timeout, --delete-timeout SECONDS   of SWITCHOVERVOLUME, LOCKVOLUME and
                              vssadmin delete, which are worse killed half-way than waited for (300)
      --wait-timeout SECONDS  for another action on the same resource to end (300)
%s      --help, --version

A command is %%LKBIN%%\FILE.exe or the like and its arguments, split at blanks outside double quotes;
variables such as $PEER are filled in after that.

Exit codes: 0 success; 1 and 2 as the document's return values; 3 could not determine: a command could not be
run, did not end or was not understood, and nothing was deleted, locked or switched over because of it; 64
wrong usage; 69 the kit has no such action.
`

// usage is the text of --help.
func usage() string {
	var commands strings.Builder
	for _, t := range kitrunner.Templates() {
		fmt.Fprintf(&commands,
			"      --%s-command COMMAND   %s\n                              (%s)\n", t.Name,
			t.Text, t.Command)
	}
	return fmt.Sprintf(usageText, commands.String())
}

// options is a command line of a kit.
type options struct {
	resource kitrunner.Resource
	file     string // --resource
	dryRun   string // the options that run nothing

	plan, json, native, plainVolume bool
	events                          string
	trapDestination, trapCommunity  string

	lkroot, lkbin, extmirrbase, system32, stateDir string

	deadlines   kitrunner.Deadlines
	wait        time.Duration
	quick, deep time.Duration // of a watch
	commands    map[string]*string
}

// errHelp is parse's error for --help.
var errHelp = pflag.ErrHelp

// parse reads the options of an action or a watch and the file of --resource,
// which serves both: an action takes no interval, but its file may have some.
// Its errors mean wrong usage.
func parse(args []string, isWatch bool) (*options, error) {
	o := &options{dryRun: "--plan"}
	fs := pflag.NewFlagSet("kitrunner", pflag.ContinueOnError)
	fs.Usage = func() {}
	o.declare(fs)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("%q belongs to no option (options have two dashes)", fs.Arg(0))
	}
	for _, name := range []string{"quick-interval", "deep-interval"} {
		if fs.Changed(name) && !isWatch {
			return nil, fmt.Errorf("--%s: only a watch has it (kitrunner watch)", name)
		}
	}
	if o.file != "" {
		if err := readResource(fs, o.file); err != nil {
			return nil, fmt.Errorf("--resource: %w", err)
		}
	}
	return o, nil
}

// declare declares the options of the kits, with their defaults.
func (o *options) declare(fs *pflag.FlagSet) {
	node, _ := os.Hostname() // check refuses an empty one
	r := &o.resource
	fs.StringVar(&r.Tag, "tag", "", "")
	fs.StringVar(&r.ID, "id", "", "")
	fs.StringVar(&r.Node, "node", node, "")
	fs.StringVar(&r.Peer, "peer", "", "")
	fs.StringVar(&r.NIC, "nic", "", "")
	fs.StringVar(&r.GUID, "guid", "", "")
	fs.StringVar(&r.Mask, "mask", "", "")
	fs.StringVar(&r.BackupNIC, "backup-nic", "", "")
	fs.StringVar(&r.BackupGUID, "backup-guid", "", "")
	fs.BoolVar(&r.LocalRecovery, "local-recovery", false, "")
	fs.StringVar(&r.Volume, "volume", "", "")
	fs.StringVar(&o.file, "resource", "", "")

	fs.BoolVar(&o.plan, "plan", false, "")
	fs.BoolVar(&o.json, "json", false, "")
	fs.StringVar(&o.events, "events", "", "")
	fs.BoolVar(&o.native, "native", false, "")
	fs.StringVar(&o.trapDestination, "trap-destination", "", "")
	fs.StringVar(&o.trapCommunity, "trap-community", "public", "")

	o.declarePlaces(fs)
	fs.StringVar(&o.stateDir, "state-dir", defaultStateDir(), "")
	fs.BoolVar(&o.plainVolume, "plain-volume", false, "")

	o.quick, o.deep = kitrunner.DefaultQuickInterval, kitrunner.DefaultDeepInterval
	fs.Var((*seconds)(&o.quick), "quick-interval", "")
	fs.Var((*seconds)(&o.deep), "deep-interval", "")
	o.deadlines, o.wait = kitrunner.DefaultDeadlines(), 300*time.Second
	d := &o.deadlines
	fs.Var((*seconds)(&d.Query), "query-timeout", "")
	fs.Var((*seconds)(&d.Change), "change-timeout", "")
	fs.Var((*seconds)(&d.Switchover), "switchover-timeout", "")
	fs.Var((*seconds)(&d.Lock), "lock-timeout", "")
	fs.Var((*seconds)(&d.DeleteShadows), "delete-timeout", "")
	fs.Var((*seconds)(&o.wait), "wait-timeout", "")
	o.commands = map[string]*string{}
	for _, t := range kitrunner.Templates() {
		o.commands[t.Name] = fs.String(t.Name+"-command", "", "")
	}
}

// declarePlaces declares the directories of the commands.
func (o *options) declarePlaces(fs *pflag.FlagSet) {
	lkroot, system32 := os.Getenv("LKROOT"), ""
	lkbin := os.Getenv("LKBIN")
	if runtime.GOOS == "windows" {
		system32 = filepath.Join(os.Getenv("SystemRoot"), "System32")
	}
	fs.StringVar(&o.lkroot, "lkroot", lkroot, "")
	fs.StringVar(&o.lkbin, "lkbin", lkbin, "")
	fs.StringVar(&o.extmirrbase, "extmirrbase", os.Getenv("ExtMirrBase"), "")
	fs.StringVar(&o.system32, "system32", system32, "")
}

// defaultStateDir is a directory that survives a restart.
func defaultStateDir() string {
	switch {
	case runtime.GOOS == "windows":
		return filepath.Join(os.Getenv("ProgramData"), "kitrunner")
	case os.Geteuid() == 0:
		return "/var/lib/kitrunner"
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "kitrunner")
}

// seconds is an option's whole number of seconds.
type seconds time.Duration

func (s *seconds) String() string { return strconv.Itoa(int(time.Duration(*s) / time.Second)) }
func (s *seconds) Type() string   { return "seconds" }

func (s *seconds) Set(text string) error {
	const most = 24 * 60 * 60
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return errors.New("not a whole number of seconds from 1 to 86400")
	}
	*s = seconds(time.Duration(n) * time.Second)
	return nil
}
