#!/bin/sh
# start.sh: starts the Samba service (FSM manual 10.1.1). Set the script to
# "synchronous" in the cluster.

# --- edit here -------------------------------------------------------------
# The service's name; the first one that this machine knows is used.
UNITS="smbd smb"
# ---------------------------------------------------------------------------

INIT_D=/etc/init.d # where a machine without systemd has its services

# A failure is only written to the log: the watch judges whether the service
# works.
work() {
	for unit in $UNITS; do
		if command -v systemctl >/dev/null; then
			systemctl cat "$unit.service" >/dev/null 2>&1 || continue
			systemctl start "$unit.service" || echo "start.sh: error: systemctl start $unit.service has failed" >&2
		else
			[ -x "$INIT_D/$unit" ] || continue
			service "$unit" start || echo "start.sh: error: service $unit start has failed" >&2
		fi
		return
	done
	echo "start.sh: error: this machine knows none of these services: $UNITS (set UNITS in start.sh)" >&2
}

if [ "$CLP_EVENT" = "START" ]; then
	if [ "$CLP_DISK" = "SUCCESS" ]; then
		echo "NORMAL1"
		if [ "$CLP_SERVER" = "HOME" ]; then
			echo "NORMAL2"
		else
			echo "ON_OTHER1"
		fi
		echo "SAMBA start"
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
		echo "SAMBA start"
		work
	else
		echo "ERROR_DISK from FAILOVER"
	fi
else
	echo "NO_CLP"
fi
echo "EXIT"
exit 0
