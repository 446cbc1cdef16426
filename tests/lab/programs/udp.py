"""Sends one datagram and waits for what comes back: `udp.py ADDRESS PORT TEXT`.

Exit codes are curl's: 0 answered, 7 refused (an ICMP error came back), 28 nothing within half a second.
"""

import socket
import sys

address, port, text = sys.argv[1:]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.settimeout(0.5)
    sender.connect((address, int(port)))
    try:
        sender.send(text.encode())
        sender.recv(2048)
    except ConnectionRefusedError:
        sys.exit(7)
    except TimeoutError:
        sys.exit(28)
