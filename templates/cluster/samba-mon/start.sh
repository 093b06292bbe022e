#!/bin/sh
# start.sh: watches Samba (FSM manual 10.2.1). Set the script to "asynchronous"
# in the cluster. The watch runs in the foreground of this script. The PID
# monitor watches the script, which ends when the watch ends.

# --- edit here -------------------------------------------------------------
# The identifier of the watch, the same in start.sh and stop.sh.
ID=sambawatch
# The share, as smb.conf names it.
SHARE=XXXX
# Further options, such as: -a 192.0.2.10 --credentials /etc/fsmon/share.cred
OPTIONS=""
# ---------------------------------------------------------------------------

work() {
	# shellcheck disable=SC2086 # OPTIONS is a list of words
	clp_sambamon "$ID" -s "$SHARE" $OPTIONS
}

if [ "$CLP_EVENT" = "START" ]; then
	if [ "$CLP_DISK" = "SUCCESS" ]; then
		echo "NORMAL1"
		if [ "$CLP_SERVER" = "HOME" ]; then
			echo "NORMAL2"
		else
			echo "ON_OTHER1"
		fi
		echo "clp_sambamon start"
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
		echo "clp_sambamon start"
		work
	else
		echo "ERROR_DISK from FAILOVER"
	fi
else
	echo "NO_CLP"
fi
echo "EXIT"
exit 0
