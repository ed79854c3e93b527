#!/bin/bash
# power.sh HOST_FOLDER NAME INIT...: run a host's PID 1 in namespaces of its own, and again when it asks for a reboot.
#
# Started inside the host's network namespace. The chain is power.sh > cgroup.sh > boot.sh > INIT, the last three of
# them one process. A reboot() inside a PID namespace reaches us as PID 1 dying by SIGHUP, a power-off as SIGINT
# (reboot(2)).
set -eu
here=$(dirname "$0")
died_by_sighup=$((128 + 1))

while true; do
  ended=0
  setpriv --pdeathsig KILL -- unshare --mount --pid --uts --ipc --fork --kill-child \
    bash "$here/cgroup.sh" "$@" || ended=$?
  [ "$ended" = "$died_by_sighup" ] || exit "$ended"
done
