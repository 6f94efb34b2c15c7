"""Listens at addresses, and greets whoever connects.

    listen.py ADDRESS...

ADDRESS is 0.0.0.0:1080, [::]:1080 (IPv4 as well), only[::]:1080 (IPv6 only), mptcp0.0.0.0:1080 (multipath TCP, where the
kernel has it), or unix:PATH=FILE, which answers every request with the file, as HTTP.
"""

import os
import socket
import sys
import threading


def serve(listener, answer):
    while True:
        connection, _ = listener.accept()
        with connection:
            if answer is not None:
                connection.recv(4096)
            connection.sendall(answer or b"220 catcher\r\n")


def listen(address):
    if address.startswith("unix:"):
        path, file = address[5:].split("=")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        with open(file, "rb") as content:
            answer = b"HTTP/1.0 200 OK\r\n\r\n" + content.read()
    else:
        host, port = address.removeprefix("only").removeprefix("mptcp").rsplit(":", 1)
        answer = None
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        try:
            listener = socket.socket(family, socket.SOCK_STREAM, 262 if address.startswith("mptcp") else 0)
        except OSError:
            listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address.startswith("only")))
        listener.bind((host.strip("[]"), int(port)))
    listener.listen(64)
    threading.Thread(target=serve, args=(listener, answer)).start()


for address in sys.argv[1:]:
    listen(address)
print("ready", os.getpid(), flush=True)
