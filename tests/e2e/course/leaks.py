"""Watches a Docker network for packets to addresses beyond it, also those that the engine then drops."""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
import threading

ALL_PROTOCOLS, IPV4 = 0x0003, b"\x08\x00"


class Leaks:
    """The addresses outside its own subnet that a network's containers have sent packets to; needs root, on Linux.

    An internal network drops such packets, but older engines leave a default route in its containers, so that the
    routing table shows nothing. What is on the wire does.
    """

    def __init__(self, network: str) -> None:
        found = subprocess.run(["docker", "network", "inspect", network], capture_output=True, text=True, check=True)
        (description,) = json.loads(found.stdout)
        assert description["Internal"], f"{network} has a way out"
        self.subnet = ipaddress.ip_network(description["IPAM"]["Config"][0]["Subnet"])
        self.seen: set[str] = set()
        self._wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        self._wire.bind((f"br-{description['Id'][:12]}", 0))
        self._wire.settimeout(0.2)
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Ends the watch."""
        self._ended.set()
        self._watcher.join()
        self._wire.close()

    def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                self._note(self._wire.recv(64))
            except TimeoutError:
                continue

    def _note(self, frame: bytes) -> None:
        # An Ethernet frame has its type in bytes 12 and 13; IPv4 (RFC 791) has source and destination in its 12 to 19
        source, target = (ipaddress.ip_address(frame[start : start + 4]) for start in (26, 30))
        inside = target in self.subnet or target.is_multicast or target == ipaddress.ip_address("255.255.255.255")
        if frame[12:14] == IPV4 and source in self.subnet and not inside:
            self.seen.add(str(target))
