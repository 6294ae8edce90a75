# Installs Debian packages; needs root. usage: install.sh PACKAGE...
set -eu
export DEBIAN_FRONTEND=noninteractive

# Debian starts a service as soon as its package is there. The tests want the programs only, so services stay down
# during this installation (unless the machine has a policy of its own).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

apt-get update
apt-get install --yes --no-install-recommends "$@"
