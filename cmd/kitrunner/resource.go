package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/pflag"

	"fsmon/kitrunner"
)

// readResource sets the options of the file that the command line does not
// have.
func readResource(fs *pflag.FlagSet, file string) error {
	values, err := decodeResource(file)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		flag := fs.Lookup(name)
		if flag == nil || name == "resource" || name == "plan" {
			return fmt.Errorf("%s: %q is not an option of a resource (see --help)", file, name)
		}
		switch values[name].(type) {
		case string, bool, int64, json.Number:
		default:
			return fmt.Errorf("%s: %q is neither a text nor a number nor true or false", file, name)
		}
		if flag.Changed {
			continue
		}
		if err := fs.Set(name, fmt.Sprint(values[name])); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// maxResource is how large a resource's file may be.
const maxResource = 1 << 20

func decodeResource(file string) (values map[string]any, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxResource+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxResource {
		return nil, fmt.Errorf("%s is longer than 1 MiB", file)
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) // Notepad's
	switch strings.ToLower(filepath.Ext(file)) {
	case ".json":
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err = d.Decode(&values); err == nil {
			if _, more := d.Token(); more != io.EOF {
				err = errors.New("more than one value")
			}
		}
	case ".toml":
		err = toml.Unmarshal(b, &values)
	default:
		return nil, fmt.Errorf("%q is neither .json nor .toml", file)
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return nil, fmt.Errorf("%s: is a JSON %s (options are the names and values of an object)",
			file, kind.Value)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return values, nil
}

var (
	nameText = regexp.MustCompile(`^[\p{L}\p{N}_][\p{L}\p{N}._-]{0,254}$`)
	guidText = regexp.MustCompile(`^\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?$`)
	// A tag and a connection's name may have blanks, but no character that has
	// a meaning in a command line on another system.
	freeText  = regexp.MustCompile(`^[^-\s"'%^&|<>;$\x60\pC][^"'%^&|<>;$\x60\pC]{0,254}$`)
	aliasText = regexp.MustCompile(`^[^-/\s"\\:*?<>|+=;,\[\]\pC][^/\s"\\:*?<>|+=;,\[\]\pC]{0,62}$`)
)

// check returns an error if an option is wrong or missing for the action, and
// gives the options the form that the commands take.
func (o *options) check(kit *kitrunner.Kit, action *kitrunner.Action) error {
	r := &o.resource
	given := map[string]string{
		"tag": r.Tag, "id": r.ID, "node": r.Node, "peer": r.Peer, "nic": r.NIC, "guid": r.GUID,
		"mask": r.Mask, "volume": r.Volume,
	}
	if o.stateDir == "" {
		return errors.New("--state-dir: is missing (the directory of the locks)")
	}
	if !o.plan {
		for _, name := range append([]string{"node"}, action.Needs...) {
			if given[name] == "" {
				return fmt.Errorf("--%s: is missing (%s %s needs it)", name, kit.Name, action.Name)
			}
		}
	}
	for name, value := range map[string]string{"tag": r.Tag, "nic": r.NIC,
		"backup-nic": r.BackupNIC} {
		if value != "" && !freeText.MatchString(value) {
			return fmt.Errorf("--%s: %q is not accepted (1 to 255 "+
				"characters, none of \"'%%^&|<>;$`, no dash first)", name, value)
		}
	}
	for name, value := range map[string]string{"node": r.Node, "peer": r.Peer} {
		if value != "" && !nameText.MatchString(value) {
			return fmt.Errorf("--%s: %q is not accepted (a system's name: letters, "+
				"digits, '.', '_', '-')", name, value)
		}
	}
	if r.Peer != "" && strings.EqualFold(r.Peer, r.Node) {
		return fmt.Errorf("--peer: %q is this system (the standby system's name; --node "+
			"sets this system's)", r.Peer)
	}
	switch kit.Name {
	case "lanman":
		if r.ID != "" && !aliasText.MatchString(r.ID) {
			return fmt.Errorf("--id: %q is not accepted (a computer's name)", r.ID)
		}
		if r.ID != "" && strings.EqualFold(r.ID, r.Node) {
			return fmt.Errorf("--id: %q is this system's own name (an alias is another one)", r.ID)
		}
	case "ip":
		if err := checkIP(r); err != nil {
			return err
		}
	case "volume":
		r.Volume = strings.ToUpper(strings.TrimSuffix(r.Volume, ":"))
		if r.Volume != "" && (len(r.Volume) != 1 || r.Volume < "A" || r.Volume > "Z") {
			return fmt.Errorf("--volume: %q is not accepted (a drive letter)", r.Volume)
		}
	}
	return o.engine().Check(kit)
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// checkIP checks the options of the ip kit.
func checkIP(r *kitrunner.Resource) error {
	if r.ID != "" {
		a, err := netip.ParseAddr(r.ID)
		if err != nil || !a.Is4() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() ||
			a == broadcast {
			return fmt.Errorf("--id: %q is not accepted (the IPv4 address of a host)", r.ID)
		}
	}
	if r.Mask != "" {
		a, err := netip.ParseAddr(r.Mask)
		if err != nil || !a.Is4() || !isMask(a.As4()) {
			return fmt.Errorf("--mask: %q is not accepted (an IPv4 netmask, 255.255.255.0)", r.Mask)
		}
	}
	for name, guid := range map[string]*string{"guid": &r.GUID, "backup-guid": &r.BackupGUID} {
		if *guid == "" {
			continue
		}
		m := guidText.FindStringSubmatch(*guid)
		if m == nil {
			return fmt.Errorf("--%s: %q is not accepted (a GUID, "+
				"{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx})", name, *guid)
		}
		*guid = "{" + strings.ToUpper(m[1]) + "}"
	}
	if (r.BackupNIC == "") != (r.BackupGUID == "") {
		return errors.New("--backup-nic and --backup-guid: one is missing (they belong together)")
	}
	if r.BackupGUID != "" && r.BackupGUID == r.GUID {
		return errors.New("--backup-guid: is the same network adapter as --guid (leave it out if " +
			"there is no other)")
	}
	return nil
}

func isMask(b [4]byte) bool {
	n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	return n != 0 && ^n&(^n+1) == 0
}
