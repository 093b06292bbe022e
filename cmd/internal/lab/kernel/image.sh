#!/bin/sh
# image.sh KERNEL CACHE KEYTAB DIR: makes DIR/vmlinuz and DIR/initrd.gz, a machine
# that serves NFS with the kernel of this Debian package and with this machine's
# programs, and takes tickets for the keytab's principals. Packages are
# downloaded to CACHE once, and not installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kernel=$1 cache=$2 keytab=$3 dir=$4

mkdir -p "$cache"
for name in "$kernel" nfs-kernel-server; do
	[ -d "$cache/$name" ] || (
		rm -rf "$cache/$name.begun" && mkdir "$cache/$name.begun" && cd "$cache/$name.begun"
		apt-get download -q "$name" >&2 || { apt-get update >&2 && apt-get download -q "$name" >&2; }
		dpkg-deb -x ./*.deb . && rm ./*.deb
		mv "$cache/$name.begun" "$cache/$name"
	)
done
version=$(ls "$cache/$kernel/lib/modules")

root=$dir/root lib=usr/lib/x86_64-linux-gnu
for d in bin etc proc sys dev run tmp export lib64 $lib usr/sbin usr/lib/modules/"$version" \
	var/lib/nfs var/tmp; do
	mkdir -p "$root/$d"
done
ln -s usr/lib "$root/lib"
cp /bin/busybox "$root/bin/"
modules=$cache/$kernel/lib/modules/$version
(
	cd "$modules"
	for d in modules.order modules.builtin modules.builtin.modinfo kernel/crypto kernel/lib \
		kernel/arch/x86/crypto kernel/drivers/virtio kernel/drivers/net/virtio_net.ko \
		kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko kernel/net/sunrpc \
		kernel/fs/nfsd kernel/fs/nfs_common kernel/fs/lockd; do
		[ ! -e "$d" ] || cp -r --parents "$d" "$root/usr/lib/modules/$version"
	done
)
/bin/busybox depmod -b "$root" "$version"
for program in /usr/sbin/rpcbind /usr/sbin/rpc.svcgssd "$cache/nfs-kernel-server/usr/sbin/rpc.nfsd" \
	"$cache/nfs-kernel-server/usr/sbin/rpc.mountd" "$cache/nfs-kernel-server/usr/sbin/exportfs"; do
	cp "$program" "$root/usr/sbin/"
	ldd "$program" | awk '/=> \//{print $3} /^\t\/lib64/{print $1}'
done | sort -u | while read -r library; do
	case $library in
	/lib64/*) cp "$library" "$root/lib64/" ;;
	*) cp "$library" "$root/$lib/" ;;
	esac
done
cp -r /$lib/libnfsidmap "$root/$lib/"
cp /etc/netconfig /etc/protocols /etc/rpc /etc/services "$root/etc/"
cp "$keytab" "$root/etc/krb5.keytab"
cd "$root"
printf 'root:x:0:0::/:/bin/sh\n' >etc/passwd
printf '_rpc:x:101:65534::/run:/bin/false\nnobody:x:65534:65534::/:/bin/false\n' >>etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
printf 'passwd: files\ngroup: files\nhosts: files\n' >etc/nsswitch.conf
printf '127.0.0.1 localhost\n10.0.2.15 files.lab.test files\n' >etc/hosts
printf '[General]\nDomain = lab.test\n[Mapping]\nNobody-User = nobody\nNobody-Group = nogroup\n' >etc/idmapd.conf
printf '[libdefaults]\ndefault_realm = LAB.TEST\ndns_lookup_kdc = false\nrdns = false\n' >etc/krb5.conf
echo '/export *(rw,insecure,no_subtree_check,fsid=1,sec=sys:krb5:krb5i:krb5p)' >etc/exports
cp "$here/init.sh" init
find . | cpio -o -H newc --quiet | gzip -1 >"$dir/initrd.gz"
cp "$cache/$kernel/boot/vmlinuz-$version" "$dir/vmlinuz"
