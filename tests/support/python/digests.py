"""Digests of artifacts as libs/base/digest.h defines them, computed from that description alone."""

import hashlib
import pathlib


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def digest(path):
    """The digest that an artifact at `path` should have; None when nothing is there."""
    path = pathlib.Path(path)
    if path.is_file():
        return sha256(path.read_bytes())
    # A folder, a set of shards, or the first part of names.
    if path.is_dir():
        candidates = path.rglob("*")
    elif shards := list(path.parent.glob(path.name + "-fold-*")):
        candidates = shards + [path.parent / f"{path.name}_{kind}"
                               for kind in ("manifest.json", "ledger.jsonl", "warning.json")]
    else:
        candidates = path.parent.glob(path.name + "*")
    files = sorted(str(found) for found in candidates
                   if found.is_file() and not found.name.startswith(".tmp-"))
    rows = ""
    for file in files:
        content = pathlib.Path(file).read_bytes()
        rows += f"{file[len(str(path)):]}\n{len(content)}\n{sha256(content)}\n"
    return sha256(rows.encode()) if rows else None
