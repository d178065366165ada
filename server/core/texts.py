"""Texts in several languages, as EDDL strings and LocalizedText carry them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Texts:
    """One text in one or more languages (ISO 639-1 codes); `en` is the default language."""

    by_language: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, default: str, **others: str) -> Texts:
        """A text with its English form and others by language code."""
        return cls({"en": default, **others})

    def best(self, locales: Iterable[str] = ()) -> tuple[str, str]:
        """(language, text) of the first locale known (`de-CH` finds `de`), else English, else the first.

        Without any text both are empty.
        """
        for locale in locales:
            language = locale.split("-")[0].lower()
            if language in self.by_language:
                return language, self.by_language[language]
        if "en" in self.by_language:
            return "en", self.by_language["en"]
        for language, text in self.by_language.items():
            return language, text
        return "", ""

    @property
    def default(self) -> str:
        """The English text, or the first there is."""
        return self.best()[1]

    def __bool__(self) -> bool:
        return bool(self.by_language)


NO_TEXT = Texts()
