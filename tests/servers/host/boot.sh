#!/bin/bash
# boot.sh HOST_FOLDER NAME INIT...: be PID 1 of a host: mount its world, leave the machine's, become its init.
#
# ROOTFS is the shared root file system, under whatever layers stand before it, colons between them. PLAIN are folders
# that lie beside the overlay and not on it, since an overlay cannot lie on another. The host is root on the machine's own kernel, so everything that would change
# the machine is closed first: a bundle's hook that runs `sysctl` must not change the computer it is tested on.
set -eu
folder=$1
name=$2
shift 2

mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$ROOTFS,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
cd "$folder/root"

mount -t proc proc proc -o nosuid,nodev,noexec
mount -t sysfs sysfs sys -o nosuid,nodev,noexec
mount -t tmpfs tmpfs run -o mode=755,nosuid,nodev
mount -t tmpfs tmpfs tmp -o mode=1777,nosuid,nodev

mount -t tmpfs tmpfs dev -o mode=755,nosuid
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666,mode=620,gid=5
mount -t tmpfs tmpfs dev/shm -o mode=1777,nosuid,nodev
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr

for place in $PLAIN; do
  mkdir -p "$folder/plain$place" ".$place"
  mount --bind "$folder/plain$place" ".$place"
done

# The cgroup namespace shows a fresh mount only the host's own part of the tree.
if [ -z "$CGROUP" ]; then
  :
elif [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mount -t tmpfs tmpfs sys/fs/cgroup -o mode=755
  for hierarchy in /sys/fs/cgroup/*/; do
    [ ! -L "${hierarchy%/}" ] || continue
    controller=$(basename "$hierarchy")
    mkdir "sys/fs/cgroup/$controller"
    case $controller in
      systemd) mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd ;;
      unified) mount -t cgroup2 cgroup2 sys/fs/cgroup/unified ;;
      *) mount -t cgroup -o "$controller" cgroup "sys/fs/cgroup/$controller" ;;
    esac
  done
fi

hostname "$name"
mkdir -p .machine
pivot_root . .machine
umount -l /.machine
rmdir /.machine

mount --bind /proc/sys /proc/sys
mount --bind /proc/sys/net /proc/sys/net # belongs to the host's own network namespace
mount -o remount,bind,ro /proc/sys
mount -o remount,bind,rw /proc/sys/net
if [ -e /proc/sysrq-trigger ]; then
  mount --bind /dev/null /proc/sysrq-trigger
fi
mount -o remount,bind,ro /sys
mount --make-rshared /

# `container` tells systemd that it does not own the kernel (https://systemd.io/CONTAINER_INTERFACE).
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=reconciler-tests \
  setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time -- "$@" < /dev/null
