#!/bin/sh
# boot.sh IMAGE SHARED: boots a copy of IMAGE, a Debian tree, with its systemd as
# process 1. SHARED is /shared in it, and SHARED/prepare is run in it before. The
# machine has cgroups, processes and a network of its own, and an ext4 at /disk.
# Another at /rootdisk has what is written to the root, which is an overlay. All
# of it is in memory. It ends and is removed when stdin does: so also when whoever
# has started it is killed.
set -eu
image=$1
shared=$2

case ${3-} in
"")
	exec unshare --mount --propagation private "$0" "$image" "$shared" outside
	;;
outside)
	umount -R /sys/fs/cgroup 2>/dev/null || true
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	group=/sys/fs/cgroup/fsmon-system-$$
	mkdir "$group"
	unshare --mount --pid --fork --kill-child --mount-proc "$0" "$image" "$shared" "$group" </dev/null &
	read -r _ || true
	# Its child, so that it reaps it.
	read -r child <"/proc/$!/task/$!/children" || child=$!
	kill -KILL "${child%% *}" || true
	wait
	# What waits for a disk ends only when the disk goes on.
	until find "$group" -depth -type d -exec rmdir {} +; do sleep 0.2; done 2>/dev/null
	;;
*)
	echo $$ >"$3/cgroup.procs"
	mount -t tmpfs tmpfs /run
	mkdir -p /run/systemd/nspawn /run/lock /run/machine
	cd /run/machine
	mkdir root disk rootdisk
	for disk in disk rootdisk; do
		truncate -s 256M $disk.image
		mkfs.ext4 -q $disk.image
		mount -o loop $disk.image $disk
	done
	mkdir rootdisk/upper rootdisk/work
	mount -t overlay -o "lowerdir=$image,upperdir=rootdisk/upper,workdir=rootdisk/work" overlay root
	mkdir root/shared root/disk root/rootdisk
	mount --bind "$shared" root/shared
	mount -t proc proc root/proc
	chroot root /bin/sh /shared/prepare
	umount root/proc root/shared
	# Ganesha opens files by their handle, which the seccomp filter of
	# systemd-nspawn forbids.
	export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_SECCOMP=0
	code=133 # a reboot
	while [ $code = 133 ]; do
		code=0
		systemd-nspawn --boot --quiet --directory=root --machine="fsmon${3##*-}" --register=no --keep-unit \
			--private-network --link-journal=no --resolv-conf=off --timezone=off --console=pipe --capability=all \
			--bind-ro="$shared:/shared" --bind=/run/machine/disk:/disk --bind=/run/machine/rootdisk:/rootdisk || code=$?
	done
	;;
esac
