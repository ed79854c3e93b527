"""Which hosts are this machine itself: what is said to them in plain text leaves it to nobody."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is of this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
