#!/bin/bash
# Process 1 of the lab: its network namespace is the switch between two nodes
# and a client, and it is the nodes' power switch. When it ends, everything ends.
# Usage: lab-init.sh DIR, with the commands and configurations in DIR.
set -u
D=$1
R=$D/run
mount --make-rprivate /
mount -t tmpfs tmpfs /run # the names of namespaces lie there, and these are not the machine's
mkdir /run/netns
ip link set lo up
ip link add br0 type bridge stp_state 0 forward_delay 0
ip link set br0 up

address() { case $1 in n1) echo 11 ;; n2) echo 12 ;; client) echo 99 ;; esac; }

# A new namespace at each boot: a dead node keeps neither address nor sockets.
net() {
	ip link del "v-$1" 2>/dev/null
	ip netns del "$1" 2>/dev/null
	ip netns add "$1"
	ip link add "v-$1" type veth peer name eth0 netns "$1"
	ip link set "v-$1" master br0 up
	ip -n "$1" link set lo up
	ip -n "$1" link set eth0 up
	ip -n "$1" addr add "198.51.100.$(address "$1")/24" dev eth0
}
boot() {
	net "$1"
	rm -f "$R/$1.off"
	ip netns exec "$1" setsid unshare -m -u -i -p --fork --kill-child --mount-proc bash "$D/node-init.sh" "$D" "$1" >>"$R/$1.log" 2>&1 </dev/null &
	local u=$! c=
	until [ -n "$c" ]; do
		[ -d /proc/$u ] || return
		c=$(cat "/proc/$u/task/$u/children" 2>/dev/null)
	done
	echo "${c% }" >"$R/$1.new"
	mv "$R/$1.new" "$R/$1.init"
}
# The cable is pulled first: a node that is being ended sends nothing more.
off() {
	ip link del "v-$1"
	kill -9 "$(cat "$R/$1.init")"
	rm -f "$R/$1.init"
	touch "$R/$1.off"
}

mkfifo "$R/switch"
exec 3<>"$R/switch"
net client
boot n1
boot n2
while read -r op node <&3; do
	case $op in
	boot) boot "$node" ;;
	off) [ -e "$R/$node.init" ] && off "$node" ;;
	esac
done
