#!/usr/bin/env bash
# Succeeds only where an install hook left its marker, and the marker names this runtime.
set -euo pipefail

log() { printf '[%s] %s\n' "$1" "$2"; }

: "${OPS_TASK_ID:?}" "${OPS_RUNTIME_TYPE:?}" "${OPSPILOT_ROOT:?}"
printf 'post-install-verify.sh %s\n' "$OPS_TASK_ID" >>"$OPSPILOT_ROOT/effects.log"

if ! grep -qsx "runtime = $OPS_RUNTIME_TYPE" "$OPSPILOT_ROOT"/sandbox/*.conf; then
  log ERROR "check=marker runtime=$OPS_RUNTIME_TYPE result=missing" >&2
  exit 1
fi
log INFO "check=marker runtime=$OPS_RUNTIME_TYPE result=ok"
printf 'verify_summary=ok\n' >>"$OPS_OUTPUTS"
