"""Watches Docker networks for packets to addresses outside them, also if Docker then drops them."""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
import threading
from collections.abc import Collection
from typing import Any

ALL_PROTOCOLS, IPV4 = 0x0003, b"\x08\x00"
UDP, NAME_SERVER = 17, 53


class Leaks:
    """The outside addresses and names that the containers of some networks tried to reach; needs root, on Linux.

    An internal network drops such packets, but older engines leave a default route in its containers, so that the
    routing table shows nothing. What is on the wire does.

    Such an engine also passes the name of a service that is down at the moment to the machine's name server, so
    questions for the platform's own services are not counted.
    """

    def __init__(self, networks: Collection[str], services: Collection[str]) -> None:
        found = subprocess.run(["docker", "network", "inspect", *networks], capture_output=True, text=True, check=True)
        self.seen: set[str] = set()
        self._services = services
        self._ended = threading.Event()
        self._watchers = [
            threading.Thread(target=self._watch, args=(one,), daemon=True) for one in json.loads(found.stdout)
        ]
        for watcher in self._watchers:
            watcher.start()

    def close(self) -> None:
        """Ends the watch."""
        self._ended.set()
        for watcher in self._watchers:
            watcher.join()

    def _watch(self, network: dict[str, Any]) -> None:
        subnet = ipaddress.IPv4Network(network["IPAM"]["Config"][0]["Subnet"])
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS)) as wire:
            wire.bind((f"br-{network['Id'][:12]}", 0))
            wire.settimeout(0.2)
            while not self._ended.is_set():
                try:
                    sought = asked_of_outside(wire.recv(1600), subnet)
                except TimeoutError:
                    continue
                if sought and sought.partition(".")[0] not in self._services:
                    self.seen.add(sought)


def asked_of_outside(frame: bytes, subnet: ipaddress.IPv4Network) -> str | None:
    """Returns the address of an Ethernet frame that leaves the subnet; for a DNS question, the name."""
    # The frame's type is in bytes 12 and 13; IPv4 (RFC 791) has source and destination in its bytes 12 to 19
    if frame[12:14] != IPV4:
        return None
    packet = frame[14:]
    source, target = (ipaddress.IPv4Address(packet[start : start + 4]) for start in (12, 16))
    inside = target in subnet or target.is_multicast or target == ipaddress.IPv4Address("255.255.255.255")
    if source not in subnet or inside:
        return None
    datagram = packet[(packet[0] & 0x0F) * 4 :]
    if packet[9] == UDP and int.from_bytes(datagram[2:4], "big") == NAME_SERVER:
        return _name_in(datagram[8:])
    return str(target)


def _name_in(question: bytes) -> str:
    """The name a DNS message (RFC 1035, 4.1) asks for: after 12 bytes of header, labels behind their lengths."""
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
    return ".".join(labels)
