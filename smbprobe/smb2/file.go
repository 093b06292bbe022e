package smb2

import "strings"

// Access to a file (MS-SMB2 2.2.13.1.1).
const (
	accessDelete = 0x00010000
	genericWrite = 0x40000000
	genericRead  = 0x80000000

	fileReadAttributes = 0x80
)

const (
	shareRead   = 1 // MS-SMB2 2.2.13: ShareAccess
	shareWrite  = 2
	shareDelete = 4

	dispositionOpen   = 1 // MS-SMB2 2.2.13: CreateDisposition
	dispositionCreate = 2

	impersonation = 2
)

// File is an open file. Close it.
type File struct {
	tree *Tree
	id   [16]byte
}

// Open opens an existing file to read it. Names have slashes or backslashes.
func (t *Tree) Open(name string) (*File, error) {
	return t.create(name, genericRead, shareRead|shareWrite|shareDelete, dispositionOpen)
}

// Create creates a file to read, write and rename it. The file must not exist.
// Until it is closed, nobody else can delete or rename it.
func (t *Tree) Create(name string) (*File, error) {
	const access = genericRead | genericWrite | accessDelete
	return t.create(name, access, shareRead|shareWrite, dispositionCreate)
}

// Remove deletes a file (MS-FSCC 2.4.11). Somebody else may have it open for
// reading.
func (t *Tree) Remove(name string) error {
	f, err := t.create(name, accessDelete, shareRead|shareWrite|shareDelete, dispositionOpen)
	if err != nil {
		return err
	}
	const fileDisposition = 13
	err = f.set(fileDisposition, []byte{1})
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// Rename gives an open file another name within the share (MS-FSCC 2.4.37.2).
// It replaces a file of that name.
func (f *File) Rename(name string) error {
	const fileRename, fixed = 10, 20
	v := appendUTF16(make([]byte, fixed), strings.ReplaceAll(name, "/", `\`))
	v[0] = 1 // ReplaceIfExists
	le.PutUint32(v[16:], uint32(len(v)-fixed))
	return f.set(fileRename, v)
}

// set sets one piece of information about the file (MS-SMB2 3.2.4.9).
func (f *File) set(class uint16, value []byte) error {
	m := appendUint16s(f.tree.request(cmdSetInfo),
		33, 1|class<<8, uint16(len(value)), 0, headerLen+32, 0, 0, 0)
	_, err := f.tree.call(append(append(m, f.id[:]...), value...))
	return err
}

func (t *Tree) create(name string, access, share, disposition uint32) (*File, error) {
	const fixed = 56
	m := t.request(cmdCreate)
	body := len(m)
	m = append(m, make([]byte, fixed)...)
	b := m[body:]
	le.PutUint16(b, fixed+1)
	le.PutUint32(b[4:], impersonation)
	le.PutUint32(b[24:], access)
	le.PutUint32(b[32:], share)
	le.PutUint32(b[36:], disposition)
	le.PutUint16(b[44:], headerLen+fixed)
	m = appendUTF16(m, strings.ReplaceAll(name, "/", `\`))
	le.PutUint16(m[body+46:], uint16(len(m)-body-fixed))
	if name == "" {
		m = append(m, 0) // the body has at least one byte after its fixed part
	}
	a, err := t.call(m)
	if err != nil {
		return nil, err
	}
	f := &File{tree: t}
	copy(f.id[:], a.body()[64:])
	return f, nil
}

// Close closes the file (MS-SMB2 3.2.4.5).
func (f *File) Close() error {
	_, err := f.tree.call(append(appendUint16s(f.tree.request(cmdClose), 24, 0, 0, 0), f.id[:]...))
	return err
}

// Flush has the server write the file to its disk (MS-SMB2 3.2.4.16).
func (f *File) Flush() error {
	_, err := f.tree.call(append(appendUint16s(f.tree.request(cmdFlush), 24, 0, 0, 0), f.id[:]...))
	return err
}

// Read reads from the file's start, up to the size of b (MS-SMB2 3.2.4.6). At
// the end of the file it returns STATUS_END_OF_FILE.
func (f *File) Read(b []byte) (int, error) {
	m := f.tree.request(cmdRead)
	body := len(m)
	m = append(m, make([]byte, 49)...)
	le.PutUint16(m[body:], 49)
	le.PutUint32(m[body+4:], uint32(len(b)))
	copy(m[body+16:], f.id[:])
	a, err := f.tree.call(m)
	if err != nil {
		return 0, err
	}
	r := a.body()
	data, err := a.buffer(uint32(r[2]), le.Uint32(r[4:]))
	if err == nil && len(data) > len(b) {
		err = malformed("a read of %d bytes, where at most %d were due", len(data), len(b))
	}
	if err != nil {
		return 0, err
	}
	return copy(b, data), nil
}

// Write writes at an offset (MS-SMB2 3.2.4.7). It returns how many bytes the
// server took: at least one.
func (f *File) Write(b []byte, off int64) (int, error) {
	const fixed = 48
	m := f.tree.request(cmdWrite)
	body := len(m)
	m = append(m, make([]byte, fixed)...)
	le.PutUint16(m[body:], fixed+1)
	le.PutUint16(m[body+2:], headerLen+fixed)
	le.PutUint32(m[body+4:], uint32(len(b)))
	le.PutUint64(m[body+8:], uint64(off))
	copy(m[body+16:], f.id[:])
	a, err := f.tree.call(append(m, b...))
	if err != nil {
		return 0, err
	}
	n := le.Uint32(a.body()[4:])
	if n == 0 || uint64(n) > uint64(len(b)) {
		return 0, malformed("a write of %d bytes, where %d were due", n, len(b))
	}
	return int(n), nil
}

const (
	lockExclusive = 0x2 // MS-SMB2 2.2.26.1
	lockUnlock    = 0x4
	lockAtOnce    = 0x10
)

// Lock locks a range of bytes for this file alone. It does not wait for a lock
// of somebody else (MS-SMB2 3.2.4.19).
func (f *File) Lock(off, length uint64) error { return f.lock(off, length, lockExclusive|lockAtOnce) }

// Unlock ends a lock of the same range (MS-SMB2 3.2.4.21).
func (f *File) Unlock(off, length uint64) error { return f.lock(off, length, lockUnlock) }

func (f *File) lock(off, length uint64, flags uint32) error {
	m := appendUint16s(f.tree.request(cmdLock), 48, 1, 0, 0)
	m = append(m, f.id[:]...)
	m = le.AppendUint64(le.AppendUint64(m, off), length)
	m = le.AppendUint32(le.AppendUint32(m, flags), 0)
	_, err := f.tree.call(m)
	return err
}
