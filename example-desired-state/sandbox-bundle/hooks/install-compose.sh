#!/usr/bin/env bash
# Installs a marker: run again after a success it changes nothing and succeeds.
set -euo pipefail

log() { printf '[%s] %s\n' "$1" "$2"; }

: "${OPS_TASK_ID:?}" "${OPS_RUNTIME_TYPE:?}" "${OPS_SCRIPT_ROOT:?}" "${OPSPILOT_ROOT:?}"
printf '%s %s\n' install-compose.sh "$OPS_TASK_ID" >>"$OPSPILOT_ROOT/effects.log"

target=$OPSPILOT_ROOT/sandbox/compose_manager.conf
mkdir -p "$OPSPILOT_ROOT/sandbox"
template=$(<"$OPS_SCRIPT_ROOT/templates/node.conf.tpl")
wanted=${template//ROLE/compose_manager}
wanted=${wanted//RUNTIME/$OPS_RUNTIME_TYPE}
if [[ -f $target && $(<"$target") == "$wanted" ]]; then
  log INFO "step=install role=compose_manager result=unchanged"
else
  printf '%s\n' "$wanted" >"$target.new"
  mv -f "$target.new" "$target"
  log INFO "step=install role=compose_manager result=installed"
fi
printf 'compose_install_result=ok\n' >>"$OPS_OUTPUTS"
