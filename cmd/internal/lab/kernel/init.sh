#!/bin/busybox sh
# shellcheck shell=dash
# Process 1 of the machine: it starts the servers of NFS, then runs the lines of
# shell that come to port 9999.
/bin/busybox --install -s /bin
export PATH=/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for d in /run /var/lib/nfs /export; do mount -t tmpfs tmpfs $d; done
mkdir -p /var/lib/nfs/rpc_pipefs /var/lib/nfs/v4recovery /var/lib/nfs/sm /run/rpcbind
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
chmod 777 /export
hostname files.lab.test
for m in virtio_pci virtio_net nfsd rpcsec_gss_krb5 cts cbc; do modprobe $m; done
while [ ! -e /sys/class/net/eth0 ]; do sleep 0.1; done
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
mount -t rpc_pipefs rpc /var/lib/nfs/rpc_pipefs
mount -t nfsd nfsd /proc/fs/nfsd
rpcbind
rpc.svcgssd
exportfs -ra
# With fewer threads it waits only a second for rpc.svcgssd, else five.
rpc.nfsd -G 10 -L 10 8
rpc.mountd -p 20048
nc -ll -p 9999 -e /bin/sh &
until grep -q ':270F ' /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done # 9999
echo serving
wait
