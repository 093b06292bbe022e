#!/bin/sh
# Prepares a machine before it boots; lines of the test follow. Samba and Ganesha
# serve /srv/data and /disk/export on loopback.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive HOME=/root
mkdir -p /srv/data /srv/private
chmod 0777 /srv/data
echo hello >/srv/data/file
useradd --no-create-home alice
cat >/etc/samba/smb.conf <<'X'
[global]
server role = standalone server
interfaces = lo
bind interfaces only = yes
disable netbios = yes
map to guest = Bad User
load printers = no
printing = bsd
printcap name = /dev/null
[data]
path = /srv/data
guest ok = yes
read only = no
[private]
path = /srv/private
valid users = alice
X
printf 'secret\nsecret\n' | smbpasswd -s -a alice >/dev/null
cat >/etc/ganesha/ganesha.conf <<'X'
NFS_CORE_PARAM { Protocols = 3,4; NFS_Port = 2049; MNT_Port = 20048; Enable_NLM = false; Enable_RQUOTA = false; mount_path_pseudo = false; allow_set_io_flusher_fail = true; }
NFSV4 { Grace_Period = 5; Lease_Lifetime = 10; }
NFS_KRB5 { Active_krb5 = false; }
EXPORT { Export_Id = 1; Path = /disk/export; Pseudo = /export; Access_Type = RW; Squash = no_root_squash; SecType = sys; Protocols = 3,4; Transports = TCP; FSAL { Name = VFS; } }
X
# The tests start them.
systemctl --quiet disable corosync pacemaker prometheus prometheus-alertmanager prometheus-node-exporter
# They wait for a network, and nothing here is meant for them.
systemctl --quiet mask nmbd winbind samba-ad-dc run-rpc_pipefs.mount
echo 'd /disk/export 0777' >/usr/lib/tmpfiles.d/export.conf
