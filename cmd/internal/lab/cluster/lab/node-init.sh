#!/bin/bash
# Process 1 of a node: private directories, then Corosync and Pacemaker, or
# keepalived when there is a configuration of it.
# Usage: node-init.sh DIR NODE
set -u
D=$1
N=$2
mount --make-rprivate /
hostname "$N"
ip link set lo up
for d in /run /dev/shm /tmp /var/tmp /var/lib/pacemaker /var/lib/corosync /var/log /etc/corosync /var/lib/samba /var/cache/samba /var/lib/nfs; do
	[ -d $d ] || continue
	case $D in $d/*) continue ;; esac
	mount -t tmpfs -o size=256m tmpfs $d
done
chmod 1777 /dev/shm
# Ganesha 6 exports nothing that is in memory.
mkdir -p /run/node "$D/disk-$N"
mount --bind "$D/disk-$N" /run/node
mkdir -p /run/crm /run/resource-agents /run/samba/ncalrpc /run/lock /run/node/data /run/ganesha /run/sendsigs.omit.d /run/rpcbind \
	/var/log/pacemaker /var/log/corosync /var/log/samba /var/log/crmsh \
	/var/lib/pacemaker/{cib,pengine,cores,blackbox} /var/lib/samba/private /var/lib/nfs/ganesha
ln -s /dev/shm /run/shm
chown -R hacluster:haclient /run/crm /var/lib/pacemaker /var/log/pacemaker
chmod 750 /run/crm /var/lib/pacemaker /var/lib/pacemaker/*
chmod 1755 /run/resource-agents
chown -R _rpc /run/rpcbind 2>/dev/null

# The agents, in this node's view of /usr only.
overlay() { # DIRECTORY
	local name=${1//\//_}
	mkdir -p "/run/overlay/$name/u" "/run/overlay/$name/w"
	mount -t overlay -o "lowerdir=$1,upperdir=/run/overlay/$name/u,workdir=/run/overlay/$name/w" overlay "$1"
}
overlay /usr/lib/ocf/resource.d
overlay /usr/sbin
mkdir -p /usr/lib/ocf/resource.d/fsmon /usr/lib/ocf/resource.d/lab
install -m 755 "$D/fsmon" /usr/lib/ocf/resource.d/fsmon/fsmon
install -m 755 "$D/proc" /usr/lib/ocf/resource.d/lab/proc
install -m 755 "$D/fence_lab" /usr/sbin/fence_lab
install -m 755 "$D/clp_sambamon" "$D/clp_nfsmon" /usr/sbin/

rpcbind -f & # as its socket unit does on a real machine
echo "$N" >/run/node/data/whoami
chmod 755 /run/node /run/node/data
cp "$D/ganesha.conf" /run/node/ganesha.conf
sed '/^EXPORT {/,/^}/d' "$D/ganesha.conf" >/run/node/none.conf
printf '127.0.0.1 localhost\n198.51.100.11 n1\n198.51.100.12 n2\n' >/run/node/hosts
mount --bind /run/node/hosts /etc/hosts
with_pacemaker() {
	cp "$D/corosync.conf" /etc/corosync/corosync.conf
	install -o hacluster -g haclient -m 600 "$D/cib.xml" /var/lib/pacemaker/cib/cib.xml
	export PCMK_logfile=/var/log/pacemaker/pacemaker.log PCMK_logfacility=none PCMK_stderr=0 HA_LOGFACILITY=none HA_DEBUGLOG=/var/log/pacemaker/agents.log
	corosync -f >/var/log/corosync/stdout 2>&1 &
	for _ in $(seq 300); do
		corosync-cfgtool -s >/dev/null 2>&1 && break
		sleep 0.05
	done
	pacemakerd -f >/var/log/pacemaker/stdout 2>&1 &
}

# The server runs on both nodes, and keepalived moves the address.
with_keepalived() {
	# shellcheck disable=SC2016 # the inner shell expands them
	setsid sh -c 'echo $$ >/run/resource-agents/proc-fs-server.pid; exec smbd -F --no-process-group -s "$0"' "$D/smb.conf" >/var/log/fs-server.log 2>&1 &
	priority=100
	[ "$N" = n1 ] && priority=101
	sed "s/priority 100/priority $priority/" "$D/keepalived.conf" >/run/keepalived.conf
	chmod 644 /run/keepalived.conf
	keepalived -n -l -D -f /run/keepalived.conf -p /run/keepalived.pid -r /run/vrrp.pid -c /run/checkers.pid >/var/log/keepalived.log 2>&1 &
}

if [ -e "$D/keepalived.conf" ]; then with_keepalived; else with_pacemaker; fi
trap : TERM INT
while :; do
	wait
	sleep 0.2
done
