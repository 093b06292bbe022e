#!/bin/bash
# The client: one line an attempt, "BEGAN NODE ENDED", NODE being who served the
# file, or FAIL. Usage: client.sh samba|nfs3|nfs4
while :; do
	began=$(date +%s.%N)
	case $1 in
	samba) said=$(timeout -k 0.1 1 smbclient //198.51.100.50/data -N -t 1 -c 'get whoami -' 2>/dev/null) ;;
	nfs3) said=$(timeout -k 0.1 1 nfs-cat 'nfs://198.51.100.50/run/node/data/whoami?version=3' 2>/dev/null) ;;
	nfs4) said=$(timeout -k 0.1 1 nfs-cat 'nfs://198.51.100.50/data/whoami?version=4' 2>/dev/null) ;;
	esac
	case $said in
	n1* | n2*) said=${said%"${said#??}"} ;;
	*) said=FAIL ;;
	esac
	echo "$began $said $(date +%s.%N)"
	sleep 0.05
done
