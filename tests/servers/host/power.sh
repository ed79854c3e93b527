#!/bin/bash
# power.sh HOST_FOLDER NAME INIT...: run a host's PID 1 in namespaces of its own, and again when it asks for a reboot.
#
# Started inside the host's network namespace; CGROUP is its place in the machine's cgroup tree, or
# empty for a host whose init needs none.
# A reboot() inside a PID namespace reaches us as PID 1 dying by SIGHUP, a power-off as SIGINT (reboot(2)).
set -eu
folder=$1
shift
here=$(dirname "$0")
died_by_sighup=$((128 + 1))

# Before unshare makes the cgroup namespace: its root is the cgroup that we are in at that moment.
if [ -z "$CGROUP" ]; then
  :
elif [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p "/sys/fs/cgroup/$CGROUP"
  echo $$ > "/sys/fs/cgroup/$CGROUP/cgroup.procs"
else
  for hierarchy in /sys/fs/cgroup/*/; do
    [ ! -L "${hierarchy%/}" ] || continue # cpu -> cpu,cpuacct
    place=$hierarchy$CGROUP
    mkdir -p "$place"
    # in a version 1 hierarchy a cpuset takes no process before it has processors and memory, from the top down
    if [ -f "$place/cpuset.cpus" ]; then
      for level in "$(dirname "$place")" "$place"; do
        for set in cpuset.cpus cpuset.mems; do
          cat "$level/../$set" > "$level/$set"
        done
      done
    fi
    echo $$ > "$place/cgroup.procs"
  done
fi

while true; do
  ended=0
  setpriv --pdeathsig KILL -- unshare --cgroup --mount --pid --uts --ipc --fork --kill-child \
    bash "$here/boot.sh" "$folder" "$@" || ended=$?
  [ "$ended" = "$died_by_sighup" ] || exit "$ended"
done
