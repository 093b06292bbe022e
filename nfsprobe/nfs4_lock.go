package nfsprobe

import (
	"context"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// lockTest4 locks the marker, or the write test's file, and unlocks it.
func (a *attempt) lockTest4(ctx context.Context, r *Report, f *file4) (learnt string, err error) {
	learnt = "locked and unlocked"
	lock := func(ctx context.Context, _ testFile) error {
		err := f.lock(ctx)
		if refused4(err, nfsv4.NFS4ERR_DENIED) {
			learnt, err = "locked by another client", nil
		}
		return err
	}
	if a.Marker != "" {
		names := a.markerNames()
		_, err = f.open(ctx, names[len(names)-1], nfsv4.OPEN4_SHARE_ACCESS_READ,
			&nfsv4.Openflag4_default{Opentype: nfsv4.OPEN4_NOCREATE})
		if err == nil {
			err = lock(ctx, f)
		}
		if e := f.close(ctx); err == nil {
			err = e
		}
	} else {
		err = a.onTestFile(ctx, ctx, r, f, lock)
	}
	if err == nil {
		err = f.releaseOwner(ctx)
	}
	return learnt, err
}

// lock locks the first byte of the open file for reading and unlocks it (RFC
// 7530 16.10, 16.12).
func (f *file4) lock(ctx context.Context) error {
	fill(f.locker[:])
	results, err := f.next(ctx, &f.sequence, func() nfsv4.NfsArgop4 {
		return &nfsv4.NfsArgop4_OP_LOCK{Oplock: nfsv4.Lock4args{
			Locktype: nfsv4.READ_LT, Length: 1,
			Locker: &nfsv4.Locker4_TRUE{OpenOwner: nfsv4.OpenToLockOwner4{
				OpenSeqid: f.sequence, OpenStateid: f.state, LockOwner: f.lockOwner(),
			}},
		}}
	})
	if err != nil {
		return nameOp("LOCK", err)
	}
	state := results[1].(*nfsv4.NfsResop4_OP_LOCK).
		Oplock.(*nfsv4.Lock4res_NFS4_OK).Resok4.LockStateid
	sequence := nfsv4.Seqid4(1) // of the lock owner
	_, err = f.next(ctx, &sequence, func() nfsv4.NfsArgop4 {
		return &nfsv4.NfsArgop4_OP_LOCKU{Oplocku: nfsv4.Locku4args{
			Locktype: nfsv4.READ_LT, Seqid: sequence, LockStateid: state, Length: 1,
		}}
	})
	return nameOp("LOCKU", err)
}

func (f *file4) lockOwner() nfsv4.LockOwner4 {
	return nfsv4.LockOwner4{Clientid: f.client, Owner: f.locker[:]}
}

// releaseOwner lets a server of version 4.0 forget the lock owner (RFC 7530
// 16.37); a session ends with all of them. A server that does not know it any
// more has forgotten it already.
func (f *file4) releaseOwner(ctx context.Context) error {
	if f.session != nil {
		return nil
	}
	_, err := f.run(ctx, &nfsv4.NfsArgop4_OP_RELEASE_LOCKOWNER{
		OpreleaseLockowner: nfsv4.ReleaseLockowner4args{LockOwner: f.lockOwner()},
	})
	if status(err) != 0 {
		return nil
	}
	return nameOp("RELEASE_LOCKOWNER", err)
}
