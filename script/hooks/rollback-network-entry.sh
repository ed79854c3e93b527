#!/usr/bin/env bash
# The previous keepalived.conf: not available in this version of the bundle.
# It changes nothing and fails, so that nobody takes it for done.
set -euo pipefail

printf '[ERROR] hook=rollback-network-entry.sh result=not_available reason="this version of the bundle does not yet install keepalived, so there is nothing to take back"\n' >&2
exit 78 # EX_CONFIG of sysexits.h: what is asked for is not part of this bundle
