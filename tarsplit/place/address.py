"""Addresses of stores: which are refused before anything is opened, and what to do about a missing library. Pure."""

import os
from collections.abc import Mapping
from typing import Any

from qa2pack.manifest.problem import Code, Problem, Refused, Remedy

_OF_DISK = frozenset({"file", "local"})
# Elsewhere a # or ? ends the path, and what is behind it is an option of the library, or is lost.
_TAKE_ANY_NAME = _OF_DISK | {"s3", "s3a", "gs", "gcs"}
_READ_ALONE = frozenset({"http", "https", "github", "git", "data", "zip", "tar", "libarchive", "reference"})
# First in the path is a bucket or host. If it is lost, as in s3://$BUCKET/FOLDER, the folder counts as the bucket.
_BEGIN_WITH_NAME = frozenset({"s3", "s3a", "gs", "gcs", "sftp", "ssh", "ftp", "http", "https"})
# Behind the host comes the path from the root of the server, where nobody may write, or a variable that is empty.
_NEED_FOLDER = frozenset({"sftp", "ssh"})
_OF_PROCESS = frozenset({"memory"})
_WITH_OURS = frozenset({"s3", "s3a", "sftp", "ssh"})
_OWN_EXTRA = "pip install 'qa2pack[remote]'"
_PASSWORD = "a password in the address, which would be in manifests, logs and the list of processes"
_WITHOUT = Remedy("Leave it out: use a key of SSH, or the configuration that fsspec reads, ~/.config/fsspec/*.json")
_CORRECT = Remedy("Correct the address, as s3://BUCKET/FOLDER, sftp://HOST/FOLDER or file:///FOLDER")


def check_address(address: str, *, is_sent_to: bool = False) -> None:
    """Refuse an address that no store can have.

    Args:
        is_sent_to: not only what is there is read.

    Raises:
        Refused: it cannot be one.
    """
    host = address.partition("://")[2].partition("/")[0]
    user, at, _ = host.rpartition("@")
    if at and ":" in user:
        without = os.fsencode(address.replace(f"{user}@", f"{user.partition(':')[0]}@", 1))
        raise Refused(Problem(Code.STORE_UNUSABLE, without, found=_PASSWORD), remedies=(_WITHOUT,))
    if reason := _reason(address, is_sent_to=is_sent_to):
        raise Refused(Problem(Code.STORE_UNUSABLE, os.fsencode(address), found=reason), remedies=(_CORRECT,))


def folder_of(address: str) -> bytes:
    """Return the folder of this machine that an address is of; empty for a store elsewhere. Nothing is opened."""
    protocol, _, path = address.partition("://")
    return os.fsencode(path.rstrip("/") or "/") if protocol in _OF_DISK else b""


def _reason(address: str, *, is_sent_to: bool) -> str:
    """Return why it cannot be the address of a store; empty if it can."""
    protocol, _, path = address.partition("://")
    if "::" in address:
        return "a ::, by which an address is put into another one"
    if protocol in _OF_PROCESS:
        return "the memory of this process, which is gone when the command ends"
    if is_sent_to and protocol in _READ_ALONE:
        return f"a place that is only read by {protocol}://; nothing can be sent to it"
    if protocol in _OF_DISK and not path.startswith("/"):
        return f"no slash behind {protocol}://, where the path begins"
    has_lost_name = protocol in _BEGIN_WITH_NAME and path.startswith("/")
    if has_lost_name or (not path.strip("/") and protocol not in _OF_DISK):
        return f"no bucket, and no host, behind {protocol}://"
    if is_sent_to and protocol in _NEED_FOLDER and not path.partition("/")[2].strip("/"):
        return "no folder behind the host"
    if protocol not in _TAKE_ANY_NAME and any(sign in path for sign in "#?"):
        return f"a # or ? in the path, which {protocol}:// cannot have"
    if "?versionId=" in path:
        return "?versionId=, which names a version of one file"
    return ""


def missing_library(address: str, known: Mapping[str, Mapping[str, Any]]) -> Remedy:
    """Return how to get the library for an address, where that is not installed.

    Args:
        known: what fsspec knows of each protocol: in which `class` it is, by the name of its module.
    """
    protocol = address.partition("://")[0]
    module = str(known.get(protocol, {}).get("class", "")).partition(".")[0]
    if protocol in _WITH_OURS or not known:
        return Remedy("Install what it needs, where this program is installed:", (_OWN_EXTRA,))
    if module in ("", "fsspec"):
        return Remedy("Install what it needs, where this program is installed.")
    return Remedy("Install the library for it, where this program is installed:", (f"pip install {module}",))
