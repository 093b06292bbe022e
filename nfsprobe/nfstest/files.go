package nfstest

import (
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"slices"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
)

// The procedures of version 3 that open files (RFC 1813 3.3).
var (
	Lookup3 = Proc{nfsProgram, 3, 3}
	Read3   = Proc{nfsProgram, 3, 6}
	Write3  = Proc{nfsProgram, 3, 7}
	Create3 = Proc{nfsProgram, 3, 8}
	Remove3 = Proc{nfsProgram, 3, 12}
	Commit3 = Proc{nfsProgram, 3, 21}
)

// store holds the files of a hostile server. Whatever is not a file is a
// directory, and all directories are the same one.
type store struct {
	last  uint64
	names map[string]uint64
	data  map[uint64][]byte // by file number
	disk  uint32            // the file system's fsid
}

// ChangeDisk makes another file system appear behind every directory.
func (h *Hostile) ChangeDisk() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files.disk++
}

// Put makes a regular file. All other paths are directories.
func (h *Hostile) Put(name, content string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files.remove(name)
	h.files.data[h.files.create(name)] = []byte(content)
}

// Files returns the names of the regular files.
func (h *Hostile) Files() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.files.names))
}

// Remove removes a regular file, as another client could.
func (h *Hostile) Remove(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files.remove(name)
}

func (s *store) create(name string) uint64 {
	if s.names == nil {
		s.names, s.data = map[string]uint64{}, map[uint64][]byte{}
	}
	s.last++
	s.names[name], s.data[s.last] = s.last, nil
	return s.last
}

func (s *store) remove(name string) bool {
	n, is := s.names[name]
	delete(s.data, n)
	delete(s.names, name)
	return is
}

// fileHandle returns the handle of the file with this number.
func fileHandle(n uint64) []byte { return binary.BigEndian.AppendUint64([]byte("file "), n) }

// lookup returns the handle of the object with this name.
func (s *store) lookup(name string) []byte {
	if n, is := s.names[name]; is {
		return fileHandle(n)
	}
	return handle
}

// object finds the object with this handle: a directory is file 0, and a file
// that was removed is not found.
func (s *store) object(h []byte) (file uint64, found bool) {
	number, is := bytes.CutPrefix(h, []byte("file "))
	if !is || len(number) != 8 {
		return 0, true
	}
	file = binary.BigEndian.Uint64(number)
	_, found = s.data[file]
	return file, found
}

// read returns what READ gives.
func (s *store) read(file, offset uint64, count uint32) []byte {
	data := s.data[file]
	data = data[min(offset, uint64(len(data))):]
	return data[:min(uint64(count), uint64(len(data)))]
}

// write makes the file longer if it must.
func (s *store) write(file, offset uint64, data []byte) {
	all := s.data[file]
	if end := offset + uint64(len(data)); uint64(len(all)) < end {
		all = append(all, make([]byte, end-uint64(len(all)))...)
	}
	copy(all[offset:], data)
	s.data[file] = all
}

// FileStatus answers a procedure about files with this status.
func FileStatus(s nfsv3.Nfsstat3) Answer { return Results(refused3(s)) }

// refused3 is a status without attributes.
func refused3(s nfsv3.Nfsstat3) io.WriterTo { return words{uint32(s), 0, 0} }

var noWcc = nfsv3.WccData{Before: &nfsv3.PreOpAttr_FALSE{}, After: &nfsv3.PostOpAttr_FALSE{}}

// onFiles does a procedure of version 3 about files; nil: it is another
// procedure.
func (h *Hostile) onFiles(call Call) io.WriterTo {
	// Arguments that cannot be decoded are zero.
	decode := func(args io.ReaderFrom) { args.ReadFrom(bytes.NewReader(call.Args)) }
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &h.files
	switch call.Proc {
	case Getattr3:
		var args nfsv3.Getattr3args
		decode(&args)
		switch file, found := s.object(args.Object.Data); {
		case !found:
			return refused3(nfsv3.NFS3ERR_STALE)
		case file != 0:
			return attributes3(nfsv3.NF3REG, s.disk)
		}
		return attributes3(nfsv3.NF3DIR, s.disk)
	case Lookup3:
		var args nfsv3.Lookup3args
		decode(&args)
		return &nfsv3.Lookup3res_NFS3_OK{Resok: nfsv3.Lookup3resok{
			Object:        nfsv3.NfsFh3{Data: s.lookup(args.What.Name)},
			ObjAttributes: &nfsv3.PostOpAttr_FALSE{}, DirAttributes: &nfsv3.PostOpAttr_FALSE{},
		}}
	case Read3:
		var args nfsv3.Read3args
		decode(&args)
		file, found := s.object(args.File.Data)
		if !found {
			return refused3(nfsv3.NFS3ERR_STALE)
		}
		data := s.read(file, args.Offset, args.Count)
		return &nfsv3.Read3res_NFS3_OK{
			Resok: nfsv3.Read3resok{FileAttributes: &nfsv3.PostOpAttr_FALSE{},
				Count: uint32(len(data)), Eof: true, Data: data},
		}
	case Create3:
		var args nfsv3.Create3args
		decode(&args)
		if _, is := s.names[args.Where.Name]; is && args.How.GetMode() != nfsv3.UNCHECKED {
			return refused3(nfsv3.NFS3ERR_EXIST)
		}
		made := &nfsv3.PostOpFh3_TRUE{
			Handle: nfsv3.NfsFh3{Data: fileHandle(s.create(args.Where.Name))},
		}
		return &nfsv3.Create3res_NFS3_OK{Resok: nfsv3.Create3resok{Obj: made,
			ObjAttributes: &nfsv3.PostOpAttr_FALSE{}, DirWcc: noWcc}}
	case Write3:
		var args nfsv3.Write3args
		decode(&args)
		file, found := s.object(args.File.Data)
		if !found {
			return refused3(nfsv3.NFS3ERR_STALE)
		}
		s.write(file, args.Offset, args.Data)
		return &nfsv3.Write3res_NFS3_OK{Resok: nfsv3.Write3resok{FileWcc: noWcc,
			Count: uint32(len(args.Data)), Committed: args.Stable}}
	case Commit3:
		return &nfsv3.Commit3res_NFS3_OK{Resok: nfsv3.Commit3resok{FileWcc: noWcc}}
	case Remove3:
		var args nfsv3.Remove3args
		decode(&args)
		if !s.remove(args.Object.Name) {
			return refused3(nfsv3.NFS3ERR_NOENT)
		}
		return &nfsv3.Remove3res_NFS3_OK{Resok: nfsv3.Remove3resok{DirWcc: noWcc}}
	}
	return nil
}
