"""An S3 server on the loopback address, for jobs that send; it keeps everything in memory.

    python -m benchmarks.s3_server begin    start one for the current folder, unless it has one; writes `s3.env`
    python -m benchmarks.s3_server empty    an empty bucket, and nothing else

The server ends when `s3.env` is gone, with the folder of the tree.
"""

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path

ENVIRONMENT = Path("s3.env")  # for `. ./s3.env` of a shell
BUCKET = "bench"
_LOOK_SECONDS = 0.5
_ACCESS = "AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION=us-east-1"


def main(verb: str) -> None:
    """Begin a server, serve, or empty the server of the current folder."""
    match verb:
        case "begin" if not ENVIRONMENT.exists():
            command = [sys.executable, "-m", "benchmarks.s3_server", "serve"]
            null = subprocess.DEVNULL
            subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)
            while not ENVIRONMENT.exists():
                time.sleep(_LOOK_SECONDS)
        case "serve":
            _serve()
        case "empty":
            _ask("POST", "/moto-api/reset")
            _ask("PUT", f"/{BUCKET}")


def _serve() -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    new = ENVIRONMENT.with_suffix(".new")
    new.write_text(f"export AWS_ENDPOINT_URL=http://127.0.0.1:{port} {_ACCESS}\n")
    path = ENVIRONMENT.absolute()
    new.rename(path)
    while path.exists():
        time.sleep(_LOOK_SECONDS)
    os._exit(0)


def _ask(method: str, path: str) -> None:
    address = ENVIRONMENT.read_text().partition("http://")[2].split()[0]
    connection = http.client.HTTPConnection(address)
    connection.request(method, path)
    if connection.getresponse().status != http.client.OK:
        raise SystemExit(f"the server does not {method} {path}")
    connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
