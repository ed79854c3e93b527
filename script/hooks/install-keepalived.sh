#!/usr/bin/env bash
# Keepalived and ipvsadm: not available in this version of the bundle.
# It changes nothing and fails, so that nobody takes it for done.
set -euo pipefail

printf '[ERROR] hook=install-keepalived.sh result=not_available reason="this version of the bundle does not yet install keepalived; install it by other means and import it, or wait for a later bundle"\n' >&2
exit 78 # EX_CONFIG of sysexits.h: what is asked for is not part of this bundle
