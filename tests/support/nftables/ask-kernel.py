#!/usr/bin/env python3
"""What the kernel does with packets under rule sets: a judge for the tests, in a network namespace of its own.

It reads a rule set a line from standard input, as JSON: {"rules": TEXT, "packets": [HEX...]}, each packet from its IP
header on, and no two alike. Every packet is sent over a veth pair to be routed on; the answer is a line with `1` for each
that came out at the other end and `0` for each that did not.

Loading a rule set takes the kernel long, so many are loaded at once: each has names of its own, and its base chains
let pass what does not come from its own hardware address.

Run it in an empty namespace, as root there: unshare --map-root-user --net ask-kernel.py
"""

import json
import os
import re
import socket
import struct
import subprocess
import sys

# Every packet leaves by this, to nobody: a link without neighbours to look for.
SINK, NOBODY = "sink0", "nobody0"
# Into the machine by the second of these.
OUTER, INNER = "outer0", "inner0"
ADDRESS = "02:00:00:00:00:02"
# In one transaction: a namespace that belongs to nobody has a small buffer for it.
AT_ONCE = 8
ALL = 0x0003
SECONDS = 20


def run(*words, text=None):
    done = subprocess.run(words, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stderr}\n{text or ''}")


def setting(path, value):
    with open(f"/proc/sys/net/{path}", "w", encoding="ascii") as file:
        file.write(str(value))


def network():
    """A router with one link to each side, which takes packets from everywhere to everywhere."""
    run("ip", "link", "add", "name", OUTER, "type", "veth", "peer", "name", INNER)
    run("ip", "link", "add", "name", SINK, "type", "veth", "peer", "name", NOBODY)
    run("ip", "link", "set", SINK, "arp", "off")
    run("ip", "link", "set", INNER, "address", ADDRESS)
    for link in (OUTER, INNER, SINK, NOBODY):
        run("ip", "link", "set", link, "addrgenmode", "none")
        run("ip", "link", "set", link, "up")
    setting("ipv4/ip_forward", 1)
    setting("ipv6/conf/all/forwarding", 1)
    for link in ("all", INNER):
        setting(f"ipv4/conf/{link}/rp_filter", 0)
    for family in ("-4", "-6"):
        run("ip", family, "route", "add", "default", "dev", SINK)


def routed(packet):
    """What a router leaves of a packet as it was: all but the hops that are left, and IPv4's checksum, which covers them.

    The machine says things by itself on every link (neighbours, groups), so what comes out is known by all its octets.
    """
    if packet[0] >> 4 == 4:
        length = struct.unpack_from("!H", packet, 2)[0]
        return packet[:8] + packet[9:10] + packet[12:length]
    length = 40 + struct.unpack_from("!H", packet, 4)[0]
    return packet[:7] + packet[8:length]


def last_packet():
    """From 192.0.2.1 to 192.0.2.2, of an experiment's protocol (RFC 3692).

    It is sent after those of a rule set, from a hardware address that all let pass: what it overtakes was dropped.
    """
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20, 0, 0, 64, 253, 0, bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]


def hardware(number):
    """An address of the sender of a rule set's packets."""
    return f"02:00:00:01:{number >> 8:02x}:{number & 0xFF:02x}"


def octets(address):
    return bytes.fromhex(address.replace(":", ""))


def frame(source, packet):
    kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    return octets(ADDRESS) + octets(source) + kind + packet


def apart(number, rules):
    """The rule set with names of its own, and for its own packets alone."""
    rules = re.sub(r"\btable inet (\S+)", rf"table inet s{number}_\1", rules)
    guard = f"ether saddr != {hardware(number)} accept"
    return re.sub(r"(type filter hook \w+ priority [^;]+; policy \w+;)", rf"\1\n\t\t{guard}\n", rules)


def main():
    # Packets of one sender stay in their order on one processor.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    network()
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    out.bind((OUTER, 0))
    back = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
    back.bind((SINK, ALL))
    back.settimeout(SECONDS)
    asked = [json.loads(line) for line in sys.stdin]
    texts = [apart(number, one["rules"]) for number, one in enumerate(asked)]
    for first in range(0, len(texts), AT_ONCE):
        run("nft", "--file", "-", text="\n".join(texts[first : first + AT_ONCE]))
    last = last_packet()
    for number, one in enumerate(asked):
        packets = [bytes.fromhex(packet) for packet in one["packets"]]
        for packet in packets:
            out.send(frame(hardware(number), packet))
        out.send(frame(hardware(len(asked)), last))
        places = {routed(packet): place for place, packet in enumerate(packets)}
        passed = ["0"] * len(packets)
        while (seen := routed(back.recv(2048)[14:])) != routed(last):
            if seen in places:
                passed[places[seen]] = "1"
        print("".join(passed))


if __name__ == "__main__":
    main()
