#!/bin/bash
# cgroup.sh HOST_FOLDER NAME INIT...: go to the host's place in the machine's cgroup tree and make it look like the root.
#
# CGROUP is that place, or empty for a host whose init needs none. Only PID 1 goes there: systemd can hand controllers
# to its units only while no foreign process sits beside them (cgroups(7), "no internal processes").
set -eu
top=/sys/fs/cgroup

if [ -z "$CGROUP" ]; then
  :
elif [ -f $top/cgroup.controllers ]; then
  mkdir -p "$top/$CGROUP"
  # what the machine does not let us hand down, the host does without
  for controller in cpuset cpu io memory pids; do
    for level in "$top" "$(dirname "$top/$CGROUP")"; do
      echo "+$controller" 2> /dev/null > "$level/cgroup.subtree_control" || true
    done
  done
  echo 0 > "$top/$CGROUP/cgroup.procs"
else
  for hierarchy in "$top"/*/; do
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
    echo 0 > "$place/cgroup.procs"
  done
fi

exec unshare --cgroup bash "$(dirname "$0")/boot.sh" "$@"
