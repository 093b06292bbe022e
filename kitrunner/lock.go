package kitrunner

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

// lockPoll is how often a held lock is looked at.
const lockPoll = 100 * time.Millisecond

// Lock takes the lock of a resource, so that one action at a time runs on it among all processes of the machine that use
// dir, and waits for it until ctx is done: the error wraps ctx's then. The names of a resource differ in
// more than case. Whoever holds the lock holds it until release is called or the process ends, however that comes about.
func Lock(ctx context.Context, dir, resource string) (release func() error, err error) {
	if err := makeStateDir(dir); err != nil {
		return nil, fmt.Errorf("the directory of the locks: %w", err)
	}
	// The file stays: removing it would leave whoever waits with a lock of their own.
	l := flock.New(filepath.Join(dir, "kitrunner-"+fileName(resource)+".lock"), flock.SetFlag(os.O_CREATE|os.O_RDWR|openNoFollow), flock.SetPermissions(0o600))
	held, err := l.TryLock()
	if err == nil && !held {
		if _, err = l.TryLockContext(ctx, lockPoll); ctx.Err() != nil {
			err = fmt.Errorf("another action on this resource has not ended: %w", ctx.Err())
		}
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l.Close, nil
}

// fileName makes a part of a file's name, up to 200 bytes, of a resource's. A
// name such as E: is none by itself, and case makes no difference.
func fileName(resource string) string {
	name := url.PathEscape(strings.ToLower(resource))
	name = strings.NewReplacer(":", "%3A", "*", "%2A").Replace(name)
	if len(name) > 200 { // a Japanese tag is three times three bytes a character
		name = fmt.Sprintf("%s-%x", name[:100], sha256.Sum256([]byte(name)))
	}
	return name
}
