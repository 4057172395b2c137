"""A small hub on the loopback: a real HTTP server that answers what `datasets` and `huggingface_hub` ask.

The requests, as these libraries make them: the files by `/datasets/NAME/resolve/REVISION/PATH` (HEAD for the tag and
the commit, GET whole or in ranges), the repository by `/api/datasets/NAME/revision/COMMIT`, and its listing by
`/api/datasets/NAME/tree/COMMIT/FOLDER`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """sets: of each `owner/name`, contents by path. requests: (method, path, range) of all that was asked."""

    daemon_threads = True

    def __init__(self, sets: dict[str, dict[str, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.sets = sets
        self.requests: list[tuple[str, str, str | None]] = []
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"

    def listing(self, name: str, below: str) -> list[dict]:
        """The files and folders of a data set directly below a folder."""
        prefix = f"{below}/" if below else ""
        found: dict[str, dict] = {}
        for path, content in self.sets[name].items():
            if path.startswith(prefix):
                child, *deeper = path[len(prefix) :].split("/")
                kind = "directory" if deeper else "file"
                oid = hashlib.sha1(content).hexdigest()
                found[child] = {"type": kind, "path": prefix + child, "size": 0 if deeper else len(content), "oid": oid}
        return list(found.values())


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *arguments) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub = self.server
        path = unquote(urlsplit(self.path).path)
        hub.requests.append((self.command, path, self.headers.get("Range")))
        name = "/".join(path.removeprefix("/api").split("/")[2:4])
        api = f"/api/datasets/{name}"
        if name not in hub.sets:
            self.give(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif path in (api, f"{api}/revision/{COMMIT}", f"{api}/revision/main"):
            siblings = [{"rfilename": file} for file in hub.sets[name]]
            self.give_json({"id": name, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings})
        elif path.startswith(f"{api}/tree/{COMMIT}"):
            self.give_json(hub.listing(name, path.removeprefix(f"{api}/tree/{COMMIT}").strip("/")))
        else:
            self.give_file(name, path)

    def give_file(self, name: str, path: str) -> None:
        for revision in ("main", COMMIT):
            prefix = f"/datasets/{name}/resolve/{revision}/"
            if path.startswith(prefix):
                content = self.server.sets[name].get(path.removeprefix(prefix))
                if content is None:
                    return self.give(404, b"", {"X-Error-Code": "EntryNotFound"})
                tag = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "Accept-Ranges": "bytes"}
                wanted = self.headers.get("Range")
                if wanted is None:
                    return self.give(200, content, tag)
                first, last = wanted.removeprefix("bytes=").split("-")
                start, stop = int(first), min(int(last or len(content)), len(content) - 1) + 1
                where = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
                return self.give(206, content[start:stop], {**tag, **where})
        return self.give(404, b"", {"X-Error-Code": "EntryNotFound"})

    def give_json(self, value: object) -> None:
        self.give(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def give(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "X-Repo-Commit": COMMIT, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serving(sets: dict[str, dict[str, bytes]]) -> Iterator[Hub]:
    with Hub(sets) as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


def ask(hub: Hub, home: object, program: str, folder: str, *questions: object) -> list:
    """Run a program in a process of its own whose hub is this one: the address is read at import.

    folder: of the test, whose helpers the program may import. Questions are its argument, as JSON; it prints an answer
    a line, as JSON.
    """
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {[folder, *sys.path]!r}\n{program}", json.dumps(questions)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
