"""Runs in the guest: carries out requests that come over a virtio port.

A request is one line of JSON; so is its answer. Standard library only, for any
Python 3. Requests: {"run": [argv], "user": NAME, "input": base64, "limit": s},
{"put": PATH, "data": base64, "mode": int}, {"get": PATH}.
"""

from __future__ import annotations

import base64
import json
import os
import pwd
import subprocess
import time
from typing import Any

PORT = "/dev/virtio-ports/vfio-doctor.e2e"


def become(name: str | None) -> dict[str, Any]:
    """Return what makes a child run as that user."""
    if not name:
        return {}
    who = pwd.getpwnam(name)
    groups = os.getgrouplist(name, who.pw_gid)
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": groups}


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Run a command and tell how it ended."""
    done = subprocess.run(
        request["run"],
        input=base64.b64decode(request.get("input", "")),
        capture_output=True,
        timeout=request.get("limit", 120),
        cwd="/",
        env={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": "/tmp",
            "PYTHONDONTWRITEBYTECODE": "1",
            **request.get("env", {}),
        },
        **become(request.get("user")),
    )
    return {
        "status": done.returncode,
        "stdout": base64.b64encode(done.stdout).decode(),
        "stderr": base64.b64encode(done.stderr).decode(),
    }


def put(request: dict[str, Any]) -> dict[str, Any]:
    """Write a file, its folders too."""
    path = request["put"]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(base64.b64decode(request["data"]))
    os.chmod(path, request.get("mode", 0o644))
    return {}


def get(request: dict[str, Any]) -> dict[str, Any]:
    """Read a file."""
    with open(request["get"], "rb") as file:
        return {"data": base64.b64encode(file.read()).decode()}


def answer(line: bytes) -> dict[str, Any]:
    """Carry out one request, whatever it does."""
    request = json.loads(line)
    try:
        for name, deed in (("run", run), ("put", put), ("get", get)):
            if name in request:
                return deed(request)
        return {"pong": True}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Serve for ever."""
    while not os.path.exists(PORT):
        time.sleep(0.1)
    with open(PORT, "r+b", buffering=0) as port:
        held = b""
        while True:
            part = port.read(65536)
            if not part:
                time.sleep(0.05)
                continue
            held += part
            while b"\n" in held:
                line, _, held = held.partition(b"\n")
                reply = {**answer(line), "id": json.loads(line).get("id")}
                data = json.dumps(reply).encode() + b"\n"
                while data:
                    data = data[port.write(data) :]


if __name__ == "__main__":
    main()
