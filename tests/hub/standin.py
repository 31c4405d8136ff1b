"""A stand-in for the Hugging Face Hub on loopback, with faults to order.

Two servers: the hub itself, and the place that large files are redirected to, which must never see a token.
"""
import hashlib
import json
import random
import re
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def git_sum(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Repo:
    """One commit of a repository: {path: bytes}; what is larger than 1,000 bytes lies in large storage."""

    def __init__(self, files, name="Org/Tiny", large=1000):
        self.name, self.files, self.large = name, dict(files), large
        self.commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()

    def is_large(self, path):
        return len(self.files[path]) > self.large

    def sum(self, path):
        data = self.files[path]
        return hashlib.sha256(data).hexdigest() if self.is_large(path) else git_sum(data)

    def listing(self, blobs=True):
        siblings = []
        for path, data in self.files.items():
            one = {"rfilename": path}
            if blobs:
                one.update(size=len(data), blobId=git_sum(data))
                if self.is_large(path):
                    one["lfs"] = {"sha256": self.sum(path), "size": len(data), "pointerSize": 130}
            siblings.append(one)
        return {"_id": "0", "id": self.name, "modelId": self.name, "sha": self.commit, "private": False,
                "siblings": siblings}


    def tree(self):
        return [dict({"type": "file", "oid": git_sum(data), "size": len(data), "path": path},
                     **({"lfs": {"oid": self.sum(path), "size": len(data), "pointerSize": 130}}
                        if self.is_large(path) else {})) for path, data in self.files.items()]


class StandIn:
    """faults: {path of a file or "listing": [fault, ...]}, one taken by each request for it; "*" before it: it stays."""

    def __init__(self, repo, tls=None):
        self.repos = {(repo.name.lower(), "main"): repo}
        self.faults, self.log, self.lock = {}, [], threading.Lock()
        self.blobs, self.listing, self.rate, self.token, self.renamed = True, None, 0, None, {}
        self.gated = None
        self.hub, self.store = self.serve(tls), self.serve(tls)
        scheme = "https" if tls else "http"
        self.url = "%s://127.0.0.1:%d" % (scheme, self.hub.server_port)
        self.store_url = "%s://127.0.0.1:%d" % (scheme, self.store.server_port)

    def serve(self, tls):
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                try:
                    world.answer(self)
                except OSError:  # killed meanwhile
                    self.close_connection = True

            do_HEAD = do_GET

            def handle(self):
                try:
                    super().handle()
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def close(self):
        for server in (self.hub, self.store):
            server.shutdown()
            server.server_close()

    def clear(self):
        self.log, self.faults = [], {}

    def gets(self, path):
        """The requests for the contents of a file, as (range, bytes sent)."""
        return [e for e in self.log if e["file"] == path and e["sent"] is not None]

    def fault(self, path):
        with self.lock:
            waiting = self.faults.get(path, [])
            if not waiting:
                return ""
            return waiting[0][1:] if waiting[0].startswith("*") else waiting.pop(0)

    # ---- answers ----

    def answer(self, h):
        url = urllib.parse.urlsplit(h.path)
        entry = {"method": h.command, "path": url.path, "query": url.query, "auth": h.headers.get("Authorization"),
                 "range": h.headers.get("Range"), "store": h.server is self.store, "file": None, "sent": None}
        with self.lock:
            self.log.append(entry)
        path = urllib.parse.unquote(url.path)
        if h.server is self.store or url.netloc == urllib.parse.urlsplit(self.store_url).netloc:  # the latter as a proxy
            return self.send_contents(h, entry, *path[1:].split("/", 1))
        for old, new in self.renamed.items():
            if "/%s/" % old in url.path:
                return self.send(h, 307, b"", Location=h.path.replace(old, new))
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/([^/]+)", url.path)
        if api:
            return self.send_listing(h, api.group(1), urllib.parse.unquote(api.group(2)))
        if re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/[0-9a-f]{40}", path):  # as huggingface_hub asks
            return self.send(h, 200, json.dumps(self.repos["org/tiny", "main"].tree()).encode(),
                             Content_Type="application/json")
        m = re.fullmatch(r"/([^/]+/[^/]+)/resolve/(main|[0-9a-f]{40})/(.+)", path)
        repo = next((r for (_, branch), r in self.repos.items()
                     if m and m.group(2) in (r.commit, branch) and r.name == m.group(1)), None)
        if not repo or m.group(3) not in repo.files:
            return self.send(h, 404, b"Not Found", X_Error_Code="EntryNotFound")
        name = entry["file"] = m.group(3)
        if self.denied(h):
            return
        head = {"X_Repo_Commit": repo.commit, "X_Linked_Size": str(len(repo.files[name])),
                "X_Linked_Etag": '"%s"' % repo.sum(name)}
        if repo.is_large(name):
            where = self.fault("redirect") or "%s/%s/%s" % (self.store_url, repo.commit, urllib.parse.quote(name))
            return self.send(h, 302, b"", Location=where, ETag='"0"', **head)
        if h.command == "HEAD":
            return self.send(h, 200, repo.files[name], ETag='"%s"' % repo.sum(name), X_Repo_Commit=repo.commit)
        self.send_contents(h, entry, repo.commit, name, ETag='W/"%s"' % repo.sum(name), X_Repo_Commit=repo.commit)

    def denied(self, h):
        given = h.headers.get("Authorization")
        if self.gated and given != "Bearer %s" % self.gated:
            self.send(h, 403 if given else 401, b"Access to model is restricted", X_Error_Code="GatedRepo")
            return True
        if self.token and given != "Bearer %s" % self.token:
            self.send(h, 401, b"Invalid username or password.", X_Error_Code="RepoNotFound")
            return True
        return False

    def send_listing(self, h, name, revision):
        kind = self.fault("listing")
        if self.token and self.denied(h):
            return
        known = [r for (n, _), r in self.repos.items() if n == name.lower()]
        repo = self.repos.get((name.lower(), revision)) or next((r for r in known if r.commit == revision), None)
        if self.failed(h, kind):
            return
        if not known:
            return self.send(h, 401, b"Invalid username or password.", X_Error_Code="RepoNotFound")
        if not repo:
            return self.send(h, 404, b"Invalid rev id", X_Error_Code="RevisionNotFound")
        body = self.listing if self.listing is not None else json.dumps(repo.listing(self.blobs)).encode()
        if kind == "truncate":
            return self.send(h, 200, body[:len(body) // 2], length=len(body))
        self.send(h, 200, body, Content_Type="application/json")

    def failed(self, h, kind):
        """A fault that is an answer of its own."""
        if kind.isdigit():
            self.send(h, int(kind), b"a fault")
        elif kind.startswith("429:"):
            self.send(h, 429, b"slow down", Retry_After=kind[4:])
        elif kind == "stall":
            time.sleep(60)
        elif kind == "close":
            h.connection.close()
            h.close_connection = True
        else:
            return False
        return True

    def send(self, h, status, body, length=None, **headers):
        h.send_response(status)
        for name, value in headers.items():
            h.send_header(name.replace("_", "-"), value)
        h.send_header("Content-Length", str(len(body) if length is None else length))
        h.end_headers()
        if h.command != "HEAD":
            h.wfile.write(body)
        if length is not None:
            h.close_connection = True

    def send_contents(self, h, entry, commit, name, **headers):
        repo = next(r for r in self.repos.values() if r.commit == commit)
        data, kind = repo.files[name], self.fault(name)
        entry["file"], entry["sent"] = name, 0
        if self.failed(h, kind):
            return
        if kind == "corrupt":
            data = bytes([data[0] ^ 1]) + data[1:] if len(data) < 9 else data[:-9] + b"corrupted"
        if kind == "longer":
            data += b"more"
        start, status = 0, 200
        m = re.fullmatch(r"bytes=(\d+)-", entry["range"] or "")
        if m and kind != "ignore":
            start, status = int(m.group(1)), 206
            if start >= len(data):
                return self.send(h, 416, b"")
        if kind == "wrong-part":
            start = max(0, start - 1)
        h.send_response(status)
        for key, value in headers.items():
            h.send_header(key.replace("_", "-"), value)
        if status == 206:
            h.send_header("Content-Range", "bytes %d-%d/%d" % (start, len(data) - 1, len(data)))
        h.send_header("Content-Length", str(len(data) - start))
        h.end_headers()
        stop = len(data)
        if kind in ("truncate", "stall-within"):
            stop = start + (len(data) - start) // 2
        self.send_slowly(h, entry, data[start:stop])
        if kind == "stall-within":
            time.sleep(60)
        if stop < len(data):
            h.close_connection = True
            h.connection.close()

    def send_slowly(self, h, entry, data):
        """With self.rate bytes a second; 0: at once."""
        step = 16 << 10 if self.rate else len(data) or 1
        for at in range(0, len(data), step):
            part = data[at:at + step]
            h.wfile.write(part)
            h.wfile.flush()
            entry["sent"] += len(part)
            if self.rate:
                time.sleep(len(part) / self.rate)


def random_bytes(n, seed):
    return random.Random(seed).randbytes(n)
