#!/bin/bash
# What a kubelet wants to write to the machine's kernel, it writes to files of its own host.
#
# It sets these only where they differ from what it wants, and the host has them read-only (boot.sh).
set -eu
pretend() {
  mkdir -p /run/pretended
  echo "$2" > "/run/pretended/${1//\//_}"
  mount --bind "/run/pretended/${1//\//_}" "/proc/sys/$1"
}
pretend vm/overcommit_memory 1
pretend kernel/panic 10
pretend kernel/panic_on_oops 1
[ -e /dev/kmsg ] || mknod /dev/kmsg c 1 11 # the kubelet does not start without; the reading of it is harmless
echo 1 > /proc/sys/net/ipv4/ip_forward # of the host's own network namespace
