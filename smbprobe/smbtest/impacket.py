"""A real SMB 2.0.2 server that is not Samba: impacket's, on a free port of
127.0.0.1. It prints its port when it listens, and ends with its standard input.
The arguments are a directory, and then perhaps a user and a password. Without a
user it takes everybody, as guest or anonymous."""
import logging
import os
import sys
import threading

from impacket import smbserver
from impacket.ntlm import compute_lmhash, compute_nthash

logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
directory, login = sys.argv[1], sys.argv[2:]
server = smbserver.SimpleSMBServer("127.0.0.1", 0)
server.setSMB2Support(True)
server.setSMBChallenge("")
server.setLogFile(os.devnull)
server.addShare("SHARE", directory, "")
if login:
    user, password = login
    server.addCredential(user, 0, compute_lmhash(password), compute_nthash(password))


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
print(server._SimpleSMBServer__server.server_address[1], flush=True)
server.start()
