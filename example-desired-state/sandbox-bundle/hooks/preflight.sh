#!/usr/bin/env bash
# Looks and changes nothing but the count of runs.
set -euo pipefail

log() { printf '[%s] %s\n' "$1" "$2"; }

: "${OPS_TASK_ID:?}" "${OPS_RUNTIME_TYPE:?}" "${OPS_SCRIPT_ROOT:?}" "${OPSPILOT_ROOT:?}"
printf 'preflight.sh %s\n' "$OPS_TASK_ID" >>"$OPSPILOT_ROOT/effects.log"

for tool in bash flock sha256sum setsid; do
  command -v "$tool" >/dev/null || { log ERROR "check=tool tool=$tool result=missing" >&2; exit 1; }
done
log INFO "check=tools result=ok"
[[ -r $OPS_SCRIPT_ROOT/templates/node.conf.tpl ]] || { log ERROR "check=template result=missing" >&2; exit 1; }
log INFO "check=template result=ok"
printf 'preflight_summary=ok\n' >>"$OPS_OUTPUTS"
