"""A bucket's objects in the order of their keys, in ranges that are listed at the same time."""

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar
from urllib.parse import unquote_plus

from replication_core.aws.failures import told, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["KeyRange", "KeyRanges", "Listed", "ListingPage", "list_objects", "list_pages"]

T = TypeVar("T")

PAGE = "Page"
"""Where a reader of answers of one's own leaves in an answer what it has read of it."""

_PAGES_AT_FIRST = 20
"""Pages that are listed before anything is split off: where there are few, a part's own costs are too large a share."""

_PAGES_A_SPLIT = 2
"""Pages that are listed for each further part, which costs a call, and of each listing a part of a page."""


class Listed(NamedTuple):
    """What a listing tells of an object."""

    key: str
    size: int
    etag: str
    last_modified: datetime
    storage_class: str = "STANDARD"


class ListingPage(NamedTuple):
    """What one call tells of objects, sorted by key: a column each of what `Listed` is of one."""

    keys: Sequence[str] = ()
    sizes: Sequence[int] = ()
    etags: Sequence[str] = ()
    last_modified: Sequence[datetime] = ()
    storage_classes: Sequence[str] = ()

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """Return what a client's answer tells, whoever has read it."""
        page: Self | None = answer.get(PAGE)
        if page is None:
            return cls(*map(list, zip(*map(_listed, answer.get("Contents", ())), strict=True)))
        if answer.get("EncodingType") == "url":  # botocore asks for it, and decodes what it has read itself
            return page._replace(keys=list(map(unquote_plus, page.keys)))
        return page

    def listed(self) -> Iterator[Listed]:
        """Return its objects, one by one."""
        return map(Listed, *self)

    def split(self, after: str) -> tuple[Self, Self]:
        """Return what it has up to and including a key, and the rest."""
        at = bisect_right(self.keys, after)
        if at == len(self.keys):
            return self, type(self)()
        return self._part(slice(at)), self._part(slice(at, None))

    def _part(self, which: slice) -> Self:
        columns: Any = (column[which] for column in self)
        return type(self)(*columns)


@dataclass(slots=True, eq=False)
class KeyRange:
    """The keys after one, up to and including another; None is before the first or after the last.

    What comes after the pages that were got of it may be split off while it is listed.
    """

    after: str | None = None
    until: str | None = None
    folders: Sequence[str] = ()
    """Where folders begin in it, as far as that is known."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    pages: int = 0
    reached: str = ""
    """The last of the keys that were got of it."""

    def take(self, page: ListingPage) -> ListingPage:
        """Return what of a page is of this range, which is not split there any more."""
        with self.changed:
            mine = page if self.until is None else page.split(self.until)[0]
            self.pages += 1
            self.reached = max(self.reached, *mine.keys[-1:], self.after or "")
            self.changed.notify()
        return mine

    def split(self, on_split: "OnSplit") -> "KeyRange | None":
        """Split off the latter half of the folders that are not reached; None where there are none."""
        self.folders = self.folders[bisect_right(self.folders, self.reached) :]
        if not self.folders:
            return None
        middle = len(self.folders) // 2
        cut = self.folders[middle]
        rest = KeyRange(cut, self.until, self.folders[middle + 1 :], self.changed)
        on_split(self, rest)
        self.until, self.folders = cut, self.folders[:middle]
        return rest


OnSplit = Callable[[KeyRange, KeyRange], None]
"""Is told of a range and of what is to be split off from it: before, so that no key is in neither at any time."""


class KeyRanges:
    """A bucket's keys below a prefix, in ranges that are split where folders begin, as they are read.

    Whoever has no range takes a part of another's, once enough is read to be worth the page that it costs: a listing
    of few pages is one range, and a large one has as many as there are readers, whichever folders it is in.
    """

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        prefix: str = "",
        *,
        begun: Sequence[KeyRange] | None = None,
        on_split: OnSplit = lambda _one, _rest: None,
    ) -> None:
        """Begin with all keys, or with the ranges that are left of them."""
        self._client, self._bucket, self._prefix, self._on_split = client, bucket, prefix, on_split
        self._all = [KeyRange()] if begun is None else list(begun)
        self._unread, self._under_way = list(self._all), list[KeyRange]()
        self._changed = threading.Condition()
        for one in self._all:
            one.changed = self._changed
        self._worth = _PAGES_AT_FIRST
        """Pages that are read before the next part is split off."""

    def readers(self, count: int, read: Callable[[KeyRange], Iterator[T]]) -> list[Iterator[T]]:
        """Return so many iterators, each for a thread, that yield together what reading every range yields."""
        return [self._reader(read) for _ in range(count)]

    def _reader(self, read: Callable[[KeyRange], Iterator[T]]) -> Iterator[T]:
        while (one := self._take()) is not None:
            try:
                yield from read(one)
            finally:
                with self._changed:
                    self._under_way.remove(one)
                    self._changed.notify_all()

    def _take(self) -> KeyRange | None:
        """Return a range that nobody reads; None where there is none, and none that could be split."""
        with self._changed:
            while not self._unread:
                if not self._under_way:
                    return None
                if sum(one.pages for one in self._all) <= self._worth or not self._split():
                    self._changed.wait()
            self._under_way.append(self._unread.pop())
            return self._under_way[-1]

    def _split(self) -> bool:
        pages = sum(one.pages for one in self._all)
        largest = max(self._under_way, key=lambda one: (len(one.folders), one.pages))
        part = largest.split(self._on_split)
        if part is None:
            largest.folders = self._folders(largest)
            part = largest.split(self._on_split)
        self._worth = 2 * pages if part is None else pages + _PAGES_A_SPLIT
        if part is None:
            return False
        self._all.append(part)
        self._unread.append(part)
        return True

    def _folders(self, one: KeyRange) -> Sequence[str]:
        """Return where folders begin in what is left of a range: those of the highest level that has any."""
        level = self._prefix
        while True:
            found = _folders(self._client, self._bucket, level, one.reached)
            left = [folder for folder in found if one.reached < folder and (one.until is None or folder < one.until)]
            folder, is_folder, _ = one.reached[len(level) :].partition("/")
            if left or not is_folder:
                return left
            level += folder + is_folder


def list_objects(
    client: "S3Client", bucket: str, prefix: str = "", key_range: KeyRange | None = None
) -> Iterator[Listed]:
    """Yield the objects of a range, sorted by key, a call per thousand; raises StoreError."""
    for page in list_pages(client, bucket, prefix, key_range):
        yield from page.listed()


def list_pages(
    client: "S3Client", bucket: str, prefix: str = "", key_range: KeyRange | None = None
) -> Iterator[ListingPage]:
    """Yield the objects of a range, else of all, sorted by key, a page for each call.

    S3 sorts by the keys' UTF-8 bytes, which is how Python sorts text; directory buckets do not
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html). Raises StoreError.
    """
    key_range = key_range or KeyRange()
    asked: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, **_begin(key_range.after)}
    more = True
    while more:
        with translated("ListObjectsV2"):
            answer = client.list_objects_v2(**asked)
            # Else nothing in it would mean that there is nothing.
            more = told("ListObjectsV2", answer, "IsTruncated")
            page = ListingPage.of(answer)
            if more:
                asked["ContinuationToken"] = told("ListObjectsV2", answer, "NextContinuationToken")
        mine = key_range.take(page)
        yield mine
        more = more and len(mine.keys) == len(page.keys)


def _listed(entry: Any) -> Listed:
    return Listed(
        entry["Key"], entry["Size"], entry["ETag"], entry["LastModified"], entry.get("StorageClass", "STANDARD")
    )


def _folders(client: "S3Client", bucket: str, prefix: str, after: str = "") -> Sequence[str]:
    with translated("ListObjectsV2"):
        page = client.list_objects_v2(Bucket=bucket, Prefix=prefix, Delimiter="/", **_begin(after))
    told("ListObjectsV2", page, "IsTruncated")
    return [folder["Prefix"] for folder in page.get("CommonPrefixes", ())]


def _begin(after: str | None) -> Any:
    # An empty StartAfter is refused by some S3-compatible stores.
    return {"StartAfter": after} if after else {}
