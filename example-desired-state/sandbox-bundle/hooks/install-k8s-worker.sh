#!/usr/bin/env bash
# Installs a marker: run again after a success it changes nothing and succeeds.
set -euo pipefail

log() { printf '[%s] %s\n' "$1" "$2"; }

: "${OPS_TASK_ID:?}" "${OPS_RUNTIME_TYPE:?}" "${OPS_SCRIPT_ROOT:?}" "${OPSPILOT_ROOT:?}"
printf '%s %s\n' install-k8s-worker.sh "$OPS_TASK_ID" >>"$OPSPILOT_ROOT/effects.log"

target=$OPSPILOT_ROOT/sandbox/worker.conf
mkdir -p "$OPSPILOT_ROOT/sandbox"
template=$(<"$OPS_SCRIPT_ROOT/templates/node.conf.tpl")
wanted=${template//ROLE/worker}
wanted=${wanted//RUNTIME/$OPS_RUNTIME_TYPE}
if [[ -f $target && $(<"$target") == "$wanted" ]]; then
  log INFO "step=install role=worker result=unchanged"
else
  printf '%s\n' "$wanted" >"$target.new"
  mv -f "$target.new" "$target"
  log INFO "step=install role=worker result=installed"
fi
printf 'kubeadm_join_result=ok\n' >>"$OPS_OUTPUTS"
