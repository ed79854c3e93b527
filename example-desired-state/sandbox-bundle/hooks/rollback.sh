#!/usr/bin/env bash
# Takes away what the install hooks left; nothing there is a success too.
set -euo pipefail

log() { printf '[%s] %s\n' "$1" "$2"; }

: "${OPS_TASK_ID:?}" "${OPSPILOT_ROOT:?}"
printf 'rollback.sh %s\n' "$OPS_TASK_ID" >>"$OPSPILOT_ROOT/effects.log"

rm -f -- "$OPSPILOT_ROOT"/sandbox/*.conf
log INFO "step=rollback result=ok"
printf 'rollback_result=ok\n' >>"$OPS_OUTPUTS"
