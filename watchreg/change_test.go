package watchreg

import (
	"os"
	"path/filepath"
	"testing"
)

// A child of a watch that has hung until the watch ended changes nothing: the
// files may be a successor's.
func TestChangeAfterTheEnd(t *testing.T) {
	r, err := Open(filepath.Join(t.TempDir(), "registry"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Claim("w")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	if err := c.WriteStatus(Status{State: Healthy}); err != nil {
		t.Fatal(err)
	}
	late := []Change{c.change([]byte("{}\n"), true), c.change(nil, false)}
	for _, change := range late {
		change.PID = -1 // neither this process nor its parent
		if err := change.Make(); err == nil {
			t.Errorf("%+v was made", change)
		}
	}
	if e, err := r.Read("w"); err != nil || !e.Live || e.Status.State != Healthy {
		t.Errorf("%+v, %v", e, err)
	}
	var made []Change
	c.Through(func(change Change) error {
		made = append(made, change)
		return change.Make()
	})
	if err := c.WriteStatus(Status{State: Failing}); err != nil {
		t.Fatal(err)
	}
	if err := c.Release(); err != nil || len(made) != 2 || made[1].Status != nil {
		t.Errorf("%+v, %v", made, err)
	}
	if left, err := os.ReadDir(r.dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}
