package winsys

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// lockPoll is how often a held lock is tried again.
const lockPoll = 100 * time.Millisecond

// Lock takes the lock of a resource, so that one action at a time runs on it
// among all processes of the machine that use dir. It waits until ctx is done;
// the error wraps ctx's then. Case makes no difference in a resource's name.
// The lock is held until release is called or the process ends, in whatever
// way.
func Lock(ctx context.Context, dir, resource string) (release func() error, err error) {
	if err := MakeDir(dir); err != nil {
		return nil, fmt.Errorf("the directory of the locks: %w", err)
	}
	// The file is never removed: a process that waits for it would get a lock
	// on a file that nobody else sees.
	l := flock.New(filepath.Join(dir, "kitrunner-"+FileName(resource)+".lock"),
		flock.SetFlag(os.O_CREATE|os.O_RDWR|openNoFollow), flock.SetPermissions(0o600))
	held, err := l.TryLock()
	if err == nil && !held {
		if _, err = l.TryLockContext(ctx, lockPoll); ctx.Err() != nil {
			err = Reworded("another action on this resource has not ended", ctx.Err())
		}
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l.Close, nil
}

// FileName turns a resource's name into a part of a file's name, of 200 bytes
// at most. A name such as "E:" cannot be used as it is. Case makes no
// difference.
func FileName(resource string) string {
	name := url.PathEscape(strings.ToLower(resource))
	name = strings.NewReplacer(":", "%3A", "*", "%2A").Replace(name)
	if len(name) > 200 { // a character of a Japanese tag takes nine bytes
		name = fmt.Sprintf("%s-%x", name[:100], sha256.Sum256([]byte(name)))
	}
	return name
}
