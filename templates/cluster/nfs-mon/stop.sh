#!/bin/sh
# stop.sh: ends the watch of NFS (FSM manual 10.4.2). Set the script to
# "synchronous" in the cluster.

# --- edit here -------------------------------------------------------------
# The identifier of the watch, the same in start.sh and stop.sh.
ID=nfswatch
# ---------------------------------------------------------------------------

# After a verdict the watch has already gone. That is no error.
work() {
	said=$(clp_nfsmon "$ID" -stop 2>&1) && return
	case $said in
	*"no watch \"$ID\" is running"*) ;;
	*) echo "$said" >&2 ;;
	esac
}

if [ "$CLP_EVENT" = "START" ]; then
	if [ "$CLP_DISK" = "SUCCESS" ]; then
		echo "NORMAL1"
		if [ "$CLP_SERVER" = "HOME" ]; then
			echo "NORMAL2"
		else
			echo "ON_OTHER1"
		fi
		echo "clp_nfsmon stop"
		work
	else
		echo "ERROR_DISK from START"
	fi
elif [ "$CLP_EVENT" = "FAILOVER" ]; then
	if [ "$CLP_DISK" = "SUCCESS" ]; then
		echo "FAILOVER1"
		if [ "$CLP_SERVER" = "HOME" ]; then
			echo "FAILOVER2"
		else
			echo "ON_OTHER2"
		fi
		echo "clp_nfsmon stop"
		work
	else
		echo "ERROR_DISK from FAILOVER"
	fi
else
	echo "NO_CLP"
fi
echo "EXIT"
exit 0
