"""A log host: takes syslog over UDP, writes a line for each datagram to standard output, never answers."""

import socket

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
    listener.bind(("0.0.0.0", 514))
    while True:
        datagram, (sender, _) = listener.recvfrom(65535)
        print(sender, datagram.decode(errors="replace").strip(), flush=True)
