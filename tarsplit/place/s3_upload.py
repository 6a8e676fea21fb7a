"""Upload of one object to S3 in parts, some at a time; one that was stopped goes on with the parts that are there.

Which parts an unfinished upload has, the store tells with the MD5 of each. What is sent is made again by the caller,
byte for byte, and a part that is there with the right MD5 is not sent again. Every part goes with its MD5, which the
store compares; at the end the checksum of the whole object, as the store tells it, is compared with that of what was
sent.
"""

import base64
import hashlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import field
from typing import Any, Self

from qa2pack.manifest.dataclass import dataclass

_PART_BYTES = 16 << 20
_MOST_PARTS = 10_000  # of S3, and parts are 5 MiB at least
_AT_ONCE = 4
# Where an object is encrypted by a key of the service, its checksum is not that of its bytes.
_OPAQUE = frozenset({"aws:kms", "aws:kms:dsse"})


def part_bytes(size: int) -> int:
    """Return the size of the parts of an object of this size; the last one may be smaller."""
    mebibyte = 1 << 20
    return max(_PART_BYTES, -(-size // (_MOST_PARTS * mebibyte)) * mebibyte)


@dataclass(slots=True)
class S3Upload:
    """One object that is being sent.

    Attributes:
        fs: the file system of s3fs.
        upload: id of the upload; empty for an object of one part, which is sent as a whole.
        present: size and MD5, hexadecimal, of each part that the store has.
    """

    fs: Any
    bucket: str
    key: str
    size: int
    upload: str
    present: Mapping[int, tuple[int, str]]
    _waiting: bytearray = field(default_factory=bytearray)
    _written: int = 0
    _sums: list[str] = field(default_factory=list)
    _sent: list[Future[None]] = field(default_factory=list)
    _threads: ThreadPoolExecutor | None = None

    @classmethod
    def begin(cls, fs: Any, path: str, size: int) -> Self:
        """Begin an upload, or find the one that was not finished.

        Args:
            size: of the object, in bytes; what is compressed may become smaller.
        """
        bucket, key, _ = fs.split_path(path)
        if size <= part_bytes(size):
            return cls(fs, bucket, key, size, "", {})
        upload = _unfinished(fs, bucket, key)
        present = _parts(fs, bucket, key, upload) if upload else {}
        upload = upload or str(fs.call_s3("create_multipart_upload", Bucket=bucket, Key=key)["UploadId"])
        return cls(fs, bucket, key, size, upload, present, _threads=ThreadPoolExecutor(_AT_ONCE))

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes; a part that is full is sent."""
        self._waiting += data
        self._written += len(data)
        most = part_bytes(self.size)
        while self.upload and len(self._waiting) >= most:
            with memoryview(self._waiting) as waiting:
                part = bytes(waiting[:most])
            del self._waiting[:most]
            self._send(part)

    def finish(self) -> str:
        """Send the rest, complete the object, and return its checksum.

        Raises:
            OSError: what the store has is not what was sent.
        """
        if not self.upload:
            data = bytes(self._waiting)
            md5 = hashlib.md5(data, usedforsecurity=False)
            self.fs.call_s3(
                "put_object", Bucket=self.bucket, Key=self.key, Body=data, ContentMD5=_base64(md5.digest())
            )
            return self._compared(md5.hexdigest())
        if self._waiting:
            self._send(bytes(self._waiting))
        for sent in self._sent:
            sent.result()
        self._close()
        parts = [{"PartNumber": number, "ETag": f'"{md5}"'} for number, md5 in enumerate(self._sums, 1)]
        self.fs.call_s3(
            "complete_multipart_upload",
            Bucket=self.bucket,
            Key=self.key,
            UploadId=self.upload,
            MultipartUpload={"Parts": parts},
        )
        together = hashlib.md5(b"".join(map(bytes.fromhex, self._sums)), usedforsecurity=False).hexdigest()
        return self._compared(f"{together}-{len(self._sums)}")

    def give_up(self) -> None:
        """Have the store remove the parts."""
        self._close()
        if self.upload:
            self.fs.call_s3("abort_multipart_upload", Bucket=self.bucket, Key=self.key, UploadId=self.upload)

    def _send(self, data: bytes) -> None:
        number = len(self._sums) + 1
        md5 = hashlib.md5(data, usedforsecurity=False)
        self._sums.append(md5.hexdigest())
        if self.present.get(number) == (len(data), md5.hexdigest()):
            return
        assert self._threads is not None
        # Bounded: a part waits in memory until it is sent.
        if len(self._sent) >= _AT_ONCE:
            self._sent.pop(0).result()
        self._sent.append(self._threads.submit(self._send_part, number, data, md5.digest()))

    def _send_part(self, number: int, data: bytes, md5: bytes) -> None:
        self.fs.call_s3(
            "upload_part",
            Bucket=self.bucket,
            Key=self.key,
            UploadId=self.upload,
            PartNumber=number,
            Body=data,
            ContentMD5=_base64(md5),
        )

    def _compared(self, expected: str) -> str:
        """Compare the checksum and size of the object, as the store tells them; return the checksum."""
        head = self.fs.call_s3("head_object", Bucket=self.bucket, Key=self.key)
        found, size = str(head["ETag"]).strip('"'), int(head["ContentLength"])
        is_opaque = head.get("ServerSideEncryption") in _OPAQUE
        if size != self._written or (found != expected and not is_opaque):
            raise OSError(f"the store has {size} bytes of checksum {found}, not {self._written} of {expected}")
        return found

    def _close(self) -> None:
        if self._threads:
            self._threads.shutdown(cancel_futures=True)


def _unfinished(fs: Any, bucket: str, key: str) -> str:
    """Return the id of the newest unfinished upload of an object; empty if there is none."""
    found = fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=key).get("Uploads", [])
    own = [(each["Initiated"], str(each["UploadId"])) for each in found if each["Key"] == key]
    return max(own)[1] if own else ""


def _parts(fs: Any, bucket: str, key: str, upload: str) -> dict[int, tuple[int, str]]:
    parts: dict[int, tuple[int, str]] = {}
    marker = 0
    while True:
        page = fs.call_s3("list_parts", Bucket=bucket, Key=key, UploadId=upload, PartNumberMarker=marker)
        for each in page.get("Parts", []):
            parts[int(each["PartNumber"])] = int(each["Size"]), str(each["ETag"]).strip('"')
        if not page.get("IsTruncated"):
            return parts
        marker = int(page["NextPartNumberMarker"])


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
