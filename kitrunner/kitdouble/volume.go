package kitdouble

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// volume finds the volume of an argument such as E, E: or /for=E:.
func (n *Node) volume(arg string) (letter string, v *Volume) {
	if i := strings.IndexByte(arg, '='); i >= 0 {
		arg = arg[i+1:]
	}
	letter = strings.ToUpper(strings.TrimRight(arg, `:\`))
	return letter, n.Volumes[letter]
}

// emcmd plays EMCMD SYSTEM COMMAND VOLUME. Its exit code is the status it
// prints.
func emcmd(c *call) int {
	status := func(code int) int {
		c.printf("Status = %d", code)
		return code
	}
	n := c.s.reach(c.arg(0))
	if c.arg(0) == "." {
		n = c.node
	}
	if n == nil {
		return status(1722) // RPC_S_SERVER_UNAVAILABLE
	}
	letter, v := n.volume(c.arg(2))
	verb := strings.ToUpper(c.arg(1))
	if verb == "GETJOBINFOFORVOL" {
		return jobInfo(c, n, letter)
	}
	if v == nil || v.Role == 0 && verb != "CLEARSWITCHOVER" {
		return status(2) // ERROR_FILE_NOT_FOUND
	}
	switch verb {
	case "GETMIRRORVOLINFO":
		c.printf("%s: %d %s %s %d", letter, v.Role, v.Source, v.Peer, v.State)
		return 0
	case "UPDATEVOLUMEINFO":
	case "LOCKVOLUME":
		if v.Role != 1 {
			return status(5)
		}
		v.Locked = true
	case "UNLOCKVOLUME":
		if v.Role != 1 {
			return status(5)
		}
		v.Locked = false
	case "SWITCHOVERVOLUME":
		// The mirror turns round: this system is the source, every other that
		// answers a target.
		v.Role, v.Source, v.Locked = 1, n.Name, false
		for _, other := range c.s.Nodes {
			if o := other.Volumes[letter]; other != n && !other.Down && o != nil && o.Role != 0 {
				o.Role, o.Source = 2, n.Name
			}
		}
	case "DELETELOCALMIRRORONLY":
		v.Role, v.State = 0, 0
	case "CLEARSWITCHOVER":
		v.Switchover = false
	default:
		return status(1)
	}
	return status(0)
}

func jobInfo(c *call, n *Node, letter string) int {
	for guid, j := range n.Jobs {
		if strings.EqualFold(j.Volume, letter) {
			c.printf("ID = %s", guid)
			c.printf("Name = %s", j.Name)
			c.printf("Description = ")
			c.printf("MirrorEndPoints = %s", j.EndPoints)
			c.printf("")
		}
	}
	return 0
}

// volume plays volume.exe -d, which lists the locked volumes, and -u VOLUME.
func volume(c *call) int {
	switch c.arg(0) {
	case "-d":
		for letter, v := range c.node.Volumes {
			if v.Held {
				c.printf("%s:", letter)
			}
		}
		return 0
	case "-u":
		if _, v := c.node.volume(c.arg(1)); v != nil && v.Held {
			v.Held = false
			return 0
		}
	}
	return 1
}

func checkVolume(c *call) int {
	if _, v := c.node.volume(c.arg(0)); v == nil || v.Unwritable || v.Locked || v.Held {
		return 1
	}
	return 0
}

func chkntfs(c *call) int {
	letter, v := c.node.volume(c.arg(0))
	if v == nil {
		return 3
	}
	c.printf("The type of the file system is NTFS.")
	if v.Dirty {
		c.printf("%s is dirty.", letter+":")
		return 1
	}
	c.printf("%s is not dirty.", letter+":")
	return 0
}

// vssadmin plays list shadowstorage, list shadows and delete shadows.
func vssadmin(c *call) int {
	_, v := c.node.volume(c.arg(2))
	if v == nil {
		return 2
	}
	c.printf("vssadmin 1.1 - Volume Shadow Copy Service administrative command-line tool")
	c.printf("(C) Copyright 2001-2013 Microsoft Corp.")
	c.printf("")
	none := func() int {
		c.printf("No items found that satisfy the query.")
		return 1
	}
	switch strings.ToLower(c.arg(0) + " " + c.arg(1)) {
	case "list shadowstorage":
		if !v.Storage {
			return none()
		}
		c.printf("Shadow Copy Storage association")
		c.printf("   For volume: %s", `(D:)\\?\Volume{11111111-2222-3333-4444-555555555555}\`)
		c.printf("   Shadow Copy Storage volume: %s", `(E:)\\?\Volume`+v.GUID+`\`)
	case "list shadows":
		if v.Shadows == 0 {
			return none()
		}
		for i := range v.Shadows {
			c.printf("Contents of shadow copy set ID: %s",
				fmt.Sprintf("{aaaaaaaa-0000-0000-0000-%012d}", i))
			c.printf("   Shadow Copy Volume: %s",
				fmt.Sprintf(`\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy%d`, i+1))
		}
	case "delete shadows":
		if v.Shadows == 0 {
			return none()
		}
		if !v.Undeleted {
			v.Shadows = 0
		}
	default:
		return 2
	}
	return 0
}

// schtasks plays schtasks /Query /TN NAME and schtasks /Change /TN NAME
// /ENABLE.
func schtasks(c *call) int {
	name := c.option("/TN")
	if _, ok := c.node.Tasks[name]; !ok {
		c.printf(`ERROR: The specified task name "%s" does not exist in the system.`, name)
		if c.arg(3) == "/HRESULT" {
			return 0x80070002
		}
		return 1
	}
	if strings.EqualFold(c.arg(0), "/Query") {
		c.printf("%-40s N/A  Ready", name)
		return 0
	}
	if strings.EqualFold(c.arg(len(c.args)-1), "/ENABLE") {
		c.node.Tasks[name] = true
	}
	c.printf(`SUCCESS: The parameters of scheduled task "%s" have been changed.`, name)
	return 0
}

// mountvol plays mountvol E: /L.
func mountvol(c *call) int {
	_, v := c.node.volume(c.arg(0))
	if v == nil || v.GUID == "" {
		return 1
	}
	c.printf(`    \\?\Volume%s\`, v.GUID)
	return 0
}

func eventNotice(c *call) int {
	c.node.Traps = append(c.node.Traps, c.args)
	return 0
}

const jobsKey = `\System\CurrentControlSet\Services\ExtMirr\Parameters\Jobs\`

// reg plays reg query KEY, reg export KEY FILE [/y] and reg delete KEY /f for
// the keys of jobs.
func reg(c *call) int {
	key := strings.ToLower(c.arg(1))
	i := strings.Index(key, strings.ToLower(jobsKey))
	guid := ""
	if i >= 0 {
		guid = strings.Trim(key[i+len(jobsKey):], "{}")
	}
	j := c.node.Jobs[guid]
	if j == nil {
		c.printf("ERROR: The system was unable to find the specified registry key or value.")
		return 1
	}
	switch strings.ToLower(c.arg(0)) {
	case "query":
		c.printf("%s", c.arg(1))
	case "export":
		text := "Windows Registry Editor Version 5.00\r\n\r\n[" + c.arg(1) + "]\r\n\"Name\"=" +
			strconv.Quote(j.Name) + "\r\n"
		if err := os.WriteFile(c.arg(2), []byte(text), 0o644); err != nil {
			c.printf("%v", err)
			return 1
		}
	case "delete":
		if !strings.EqualFold(c.arg(2), "/f") {
			return 1 // it asks, and nobody answers
		}
		delete(c.node.Jobs, guid)
	default:
		return 1
	}
	c.printf("The operation completed successfully.")
	return 0
}
