"""A namespace table for tests that need no database."""

from __future__ import annotations


class Names:
    """A namespace table in memory."""

    def __init__(self, *more: str) -> None:
        self.uris = ["http://opcfoundation.org/UA/", "urn:test:application", "urn:fieldloom:plant", *more]

    def namespaces(self) -> list[str]:
        return list(self.uris)

    def add_namespace(self, uri: str) -> int:
        if uri not in self.uris:
            self.uris.append(uri)
        return self.uris.index(uri)
