"""Opens connections over loopback, two sockets each, and keeps them.

    sockets.py COUNT

COUNT is how many sockets there are in the end; each process holds some thousand, as many as it may have open.
"""

import os
import signal
import socket
import sys

EACH = 4000
left = int(sys.argv[1])
number = 0
while left > 0:
    number += 1
    ready, done = os.pipe()
    if os.fork() == 0:
        listener = socket.socket()
        listener.bind((f"127.0.1.{number}", 0))
        listener.listen(64)
        kept = []
        for _ in range(min(left, 2 * EACH) // 2):
            client = socket.create_connection(listener.getsockname())
            kept.append((client, listener.accept()[0]))
        os.write(done, b"x")
        signal.pause()
    os.read(ready, 1)
    left -= 2 * EACH
print("ready", number, flush=True)
signal.pause()
