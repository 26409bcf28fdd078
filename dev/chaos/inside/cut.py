"""Cuts this container off from addresses, or restores the connection: `python cut.py cut|restore ADDRESS...`.

An ARP entry for a network card that does not exist drops everything that is sent to the address (arp(7): SIOCSARP,
SIOCDARP). Needs CAP_NET_ADMIN.
"""

import fcntl
import socket
import struct
import sys

SET, DELETE = 0x8955, 0x8953
COMPLETE, PERMANENT = 0x02, 0x04
NO_CARD = bytes.fromhex("020000000001")
ETHERNET = 1


def request(address: str) -> bytes:
    """Returns the kernel's `struct arpreq` for an address on eth0."""
    protocol = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
    hardware = struct.pack("=H6s8x", ETHERNET, NO_CARD)
    return protocol + hardware + struct.pack("=i16s16s", COMPLETE | PERMANENT, b"", b"eth0")


def main(action: str, *addresses: str) -> None:
    """Cuts off the addresses, or restores them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for address in addresses:
            fcntl.ioctl(any_socket, SET if action == "cut" else DELETE, request(address))


if __name__ == "__main__":
    main(*sys.argv[1:])
