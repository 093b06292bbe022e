package winsys

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// tree is a job object: a process and all its descendants.
type tree struct{ job windows.Handle }

// transient are the errors of a start that may succeed a moment later: memory
// and other means that are short, a virus scanner that holds the file. Wine has
// ERROR_INTERNAL_ERROR once in some thousand starts.
var transient = []error{windows.ERROR_NOT_ENOUGH_MEMORY, windows.ERROR_OUTOFMEMORY,
	windows.ERROR_NO_SYSTEM_RESOURCES, windows.ERROR_COMMITMENT_LIMIT,
	windows.ERROR_SHARING_VIOLATION, windows.ERROR_INTERNAL_ERROR}

// startTree starts cmd in a job of its own. The process joins the job before it
// runs, so that no child can start outside. If kitrunner is killed, the job
// ends, and the command with it.
func startTree(cmd *exec.Cmd) (t *tree, err error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("CreateJobObject: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, windows.CloseHandle(job))
		}
	}()
	limit := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	limit.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limit)), uint32(unsafe.Sizeof(limit)))
	if err != nil {
		return nil, fmt.Errorf("SetInformationJobObject: %w", err)
	}
	// Without a window the command gets a console of its own. Its code page is
	// the system's OEM code page, even if this process's console has another
	// one.
	cmd.SysProcAttr = &syscall.SysProcAttr{
		CreationFlags: windows.CREATE_SUSPENDED | windows.CREATE_NO_WINDOW}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var assigned error
	if err := cmd.Process.WithHandle(func(h uintptr) {
		assigned = windows.AssignProcessToJobObject(job, windows.Handle(h))
	}); err != nil {
		assigned = err
	}
	if assigned != nil {
		assigned = fmt.Errorf("AssignProcessToJobObject: %w", assigned)
	} else {
		assigned = resume(cmd.Process.Pid)
	}
	if assigned != nil {
		kill := cmd.Process.Kill()
		cmd.Wait() // it never ran
		return nil, errors.Join(assigned, kill)
	}
	return &tree{job}, nil
}

// resume lets a process run that was created suspended. Its only thread has to
// be found again, since os/exec has closed the handle.
func resume(pid int) error {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPTHREAD, 0)
	if err != nil {
		return fmt.Errorf("CreateToolhelp32Snapshot: %w", err)
	}
	defer windows.CloseHandle(snapshot)
	entry := windows.ThreadEntry32{Size: uint32(unsafe.Sizeof(windows.ThreadEntry32{}))}
	err = windows.Thread32First(snapshot, &entry)
	for ; err == nil; err = windows.Thread32Next(snapshot, &entry) {
		if entry.OwnerProcessID != uint32(pid) {
			continue
		}
		thread, err := windows.OpenThread(windows.THREAD_SUSPEND_RESUME, false, entry.ThreadID)
		if err != nil {
			return fmt.Errorf("OpenThread: %w", err)
		}
		defer windows.CloseHandle(thread)
		if _, err := windows.ResumeThread(thread); err != nil {
			return fmt.Errorf("ResumeThread: %w", err)
		}
		return nil
	}
	return fmt.Errorf("the thread of process %d: %w", pid, err)
}

// end ends the processes that are left.
func (t *tree) end() error {
	return errors.Join(windows.TerminateJobObject(t.job, 1), windows.CloseHandle(t.job))
}

// codeOf returns the exit code as the C runtime has it: signed, 32 bits.
func codeOf(p *os.ProcessState) int { return int(int32(uint32(p.ExitCode()))) }

// crash returns an error if a process was ended by an exception. Its exit code
// is the exception's then, an NTSTATUS of severity error: C0000005 access
// violation, C0000135 missing DLL, C0000142 not started because the system
// shuts down.
func crash(p *os.ProcessState) error {
	if code := uint32(p.ExitCode()); code>>28 == 0xC {
		return fmt.Errorf("ended by exception %08X", code)
	}
	return nil
}
