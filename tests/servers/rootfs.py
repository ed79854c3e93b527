"""The root file system that all test hosts share, read-only under an overlay each.

One serves both kinds of PID 1: it has systemd in it, and a host that starts with plain sshd does not run it. It holds
nothing of one lab: no key, no host name, no machine id.
"""

import os
import platform
import shutil
from pathlib import Path

from tests.servers import debian
from tests.servers.cache import BuildFailed, build_once, cached, key_of, say

SUITE = "bookworm"
LOGIN_USER = "ops"

PACKAGES = (
    "ca-certificates",
    "conntrack",
    "curl",
    "dbus",
    "ebtables",
    "ethtool",
    "iproute2",
    "ipset",
    "iptables",
    "iputils-arping",
    "iputils-ping",
    "keepalived",
    "kmod",
    "libseccomp2",
    "nftables",
    "openssh-server",
    "procps",
    "socat",
    "sudo",
    "systemd",
    "systemd-sysv",
)

# UsePAM no: there is no session bus to register with, and each login is faster. Many connections at once are normal
# here, and sshd's default of 10 unauthenticated ones would drop some of them at random.
SSHD_CONFIG = """\
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u .ssh/authorized_keys
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
MaxStartups 500
MaxSessions 500
"""

# What would reach for the machine's hardware or kernel, or wait for a console that a namespace does not have.
MASKED_UNITS = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "kmod-static-nodes.service",
    "modprobe@.service",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-firstboot.service",
    "systemd-hwdb-update.service",
    "systemd-logind.service",
    "systemd-machine-id-commit.service",
    "systemd-modules-load.service",
    "systemd-networkd.service",
    "systemd-pcrphase.service",
    "systemd-random-seed.service",
    "systemd-remount-fs.service",
    "systemd-resolved.service",
    "systemd-sysctl.service",
    "systemd-timesyncd.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-udev-trigger.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udevd.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
)
STOPPED_UNITS = ("keepalived.service", "nftables.service")

NOT_NEEDED = (
    "etc/ssh/ssh_host_*",
    "var/cache/apt/archives/*.deb",
    "var/lib/apt/lists/*",
    "usr/share/doc/*",
    "usr/share/man/*",
    "usr/share/locale/*",
    "var/log/*.log",
)


def root_file_system() -> Path:
    """From the cache, or made by debootstrap (a minute). Raises BuildFailed."""
    return build_once("rootfs", _key(), _build)


def root_file_system_cached() -> Path | None:
    return cached("rootfs", _key())


def _key() -> str:
    return key_of(SUITE, platform.machine(), Path(__file__).read_bytes())


def _build(folder: Path) -> None:
    debian.install({"debootstrap": "debootstrap"})
    mirror = debian.mirror()
    if mirror is None:
        raise BuildFailed("making the root file system of test hosts: this machine's apt sources name no Debian mirror")
    say(f"making the root file system of test hosts (Debian {SUITE}): about a minute")
    # In namespaces that end with this process: debootstrap mounts /proc in its target, and what a killed build left
    # there would be in the way of whoever removes the unfinished folder.
    contained = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--pid", "--fork", "--kill-child"]
    debootstrap = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(folder), mirror]
    debian.run([*contained, "--mount-proc", "nice", "-n", "10", *debootstrap], debian.QUIET)
    _drop(folder)
    _configure(folder)


def _drop(root: Path) -> None:
    for pattern in NOT_NEEDED:
        for found in root.glob(pattern):
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            else:
                found.unlink()


def _configure(root: Path) -> None:
    etc = root / "etc"
    (etc / "machine-id").write_text("")  # systemd makes one for each host at its first start
    (etc / "ssh/sshd_config.d/test.conf").write_text(SSHD_CONFIG)
    (etc / "ssh/authorized_keys.d").mkdir()
    (etc / "dpkg/dpkg.cfg.d/test").write_text("force-unsafe-io\n")
    # '*' and not a locked password: with UsePAM no, sshd refuses even a key of a locked account.
    debian.run(["chroot", str(root), "useradd", "-m", "-s", "/bin/bash", "-p", "*", LOGIN_USER], {})
    sudoers = etc / "sudoers.d" / LOGIN_USER
    sudoers.write_text(f"{LOGIN_USER} ALL=(ALL) NOPASSWD: ALL\n")
    sudoers.chmod(0o440)
    for unit in MASKED_UNITS:
        mask = etc / "systemd/system" / unit
        mask.unlink(missing_ok=True)
        mask.symlink_to(os.devnull)
    debian.run(["chroot", str(root), "systemctl", "-q", "disable", *STOPPED_UNITS], {})
    debian.run(["chroot", str(root), "systemctl", "-q", "set-default", "multi-user.target"], {})
