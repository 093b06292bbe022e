package smb2

// Identity tells one disk from another: the volume's serial number (MS-FSCC
// 2.5.9) and the file ID of the share's root (MS-FSCC 2.4.22).
type Identity struct {
	Volume uint32
	Root   uint64
}

// Identity asks for the identity of what the share's root is on.
func (t *Tree) Identity() (id Identity, err error) {
	const (
		file, internal     = 1, 6 // MS-SMB2 2.2.37: InfoType and FileInfoClass
		fileSystem, volume = 2, 1
	)
	root, err := t.create("", fileReadAttributes, shareRead|shareWrite|shareDelete, dispositionOpen)
	if err != nil {
		return Identity{}, err
	}
	b, err := root.query(file, internal, 8)
	if err == nil {
		id.Root = le.Uint64(b)
		if b, err = root.query(fileSystem, volume, 12); err == nil {
			id.Volume = le.Uint32(b[8:])
		}
	}
	if cerr := root.Close(); err == nil {
		err = cerr
	}
	return id, err
}

// query asks for information of at least a size: about the file, or about its
// file system (MS-SMB2 3.2.4.8, 3.2.4.10).
func (f *File) query(kind, class byte, size int) ([]byte, error) {
	const most = 1 << 10 // a volume has a name, too
	m := f.tree.request(cmdQueryInfo)
	body := len(m)
	m = append(m, make([]byte, 40)...)
	le.PutUint16(m[body:], 41)
	m[body+2], m[body+3] = kind, class
	le.PutUint32(m[body+4:], most)
	copy(m[body+24:], f.id[:])
	a, err := f.tree.call(append(m, 0))
	if err != nil {
		return nil, err
	}
	b := a.body()
	data, err := a.buffer(uint32(le.Uint16(b[2:])), le.Uint32(b[4:]))
	if err == nil && len(data) < size {
		err = malformed("query info answer with %d bytes, where %d were due", len(data), size)
	}
	return data, err
}
