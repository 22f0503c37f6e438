"""Files that are either whole or not there: atomic writes, strict reads, digests.

A write goes to a temporary file beside its target, is flushed to the disk (fsync), renamed over
the target, and the folder is flushed too. Killed at any point, the target is the old or the new
content, never a mixture.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from repro import paths
from repro.errors import ReproError, Unfinished

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_PLACE = {errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG}
_LEFTOVER = re.compile(r"\..+\.\d+\.tmp")


class DiskFull(Unfinished):
    """No space left; what was there before the write is untouched."""


@contextlib.contextmanager
def writing(path: Path, kept: str | None = None) -> Iterator[None]:
    """Turn "no space left", "permission denied" and a path that cannot be into one clear line.

    kept: what the reader still has, in words; by default whether an older file stands.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            if kept is None:
                kept = "its last version is kept" if path.exists() else "finished work is kept"
            raise DiskFull(
                f"disk full while writing {path}: {kept}; "
                "free some space and run the same command again"
            ) from error
        if error.errno in _DENIED | _NO_PLACE:
            ours = path.is_relative_to(paths.RUNS)
            other = "another with REPRO_RUNS" if ours else "another place"
            mend = "make its folder writable, or choose" if error.errno in _DENIED else "choose"
            why = os.strerror(error.errno)
            raise ReproError(f"cannot write {path}: {why}; {mend} {other}") from error
        raise


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file atomically; its folder is created. Raises DiskFull with the old file kept."""
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def parted(text: str, begin: str, end: str, name: str) -> tuple[str, str, str]:
    """What stands before, between and after two markers; ReproError unless each is there once."""
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ReproError(f"{name}: no markers {begin} … {end}; put each in once")
    before, rest = text.split(begin)
    between, after = rest.split(end)
    return before, between, after


def fill(path: str | Path, begin: str, end: str, content: str) -> None:
    """Put `content` between the two markers of a page; the rest of it is kept."""
    path = Path(path)
    before, _, after = parted(path.read_text(encoding="utf-8"), begin, end, path.name)
    write_text(path, f"{before}{begin}\n{content}\n{end}{after}")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically in its canonical form: indent 1, sorted keys, NaN refused."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def read_json(path: str | Path, schema_version: int | None = None) -> Any:
    """Read a JSON file; with `schema_version`, one of ours that must carry this version.

    Raises ReproError, in one line, for a missing, truncated or foreign file.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        value = json.loads(content, parse_float=_finite, parse_constant=_finite)
        if b"\\ud" in content.lower():  # half of a surrogate pair cannot be written again
            canonical(value)
    except FileNotFoundError:
        raise ReproError(f"{path} is missing; run the command that writes it again") from None
    except OSError as error:
        raise ReproError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeError:
        raise ReproError(f"{path} is no JSON file (not UTF-8 text); remove it") from None
    except RecursionError:
        raise ReproError(f"{path} is nested too deeply to be one of ours; remove it") from None
    except json.JSONDecodeError as error:
        raise ReproError(
            f"{path}:{error.lineno}: truncated or no JSON ({error.msg}); "
            "restore it from git or remove it, and run the same command again"
        ) from None
    except ValueError as error:  # a number with thousands of digits, or one that is none
        raise ReproError(f"{path}: {str(error)[:80]}; expected finite numbers") from None
    if schema_version is not None:
        found = value.get("schema_version") if isinstance(value, dict) else None
        if found != schema_version:
            raise ReproError(
                f"{path}: schema_version is {found!r}, expected {schema_version}; the file is "
                "foreign or was written by another version of Repro"
            )
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"found the number {text[:20]}")
    return value


def canonical(value: Any) -> bytes:
    """The one byte string of a JSON value: sorted keys, no spaces, NaN refused."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of `value`, 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def file_digest(path: str | Path) -> str:
    """sha256 of a file's bytes, 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of killed writers. Only for a folder that nobody else writes to."""
    for path in folder.glob(".*.tmp"):
        if _LEFTOVER.fullmatch(path.name):
            path.unlink(missing_ok=True)
