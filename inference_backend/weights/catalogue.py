"""The catalogue of known weights: what each file is, where it comes from and how to know that it is whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import tomllib

from inference_backend.errors import InvalidInput

# TOML and not JSON: a digest needs a comment beside it, else the plugin repository's scan takes it for a secret.
CATALOGUE_FILE = Path(__file__).with_name("catalogue.toml")


@dataclass(frozen=True)
class CatalogueEntry:
    """One file of weights. `url` is None where the file ships; `gated` means that fetching needs an account."""

    name: str
    title: str
    family: str
    file: str
    licence: str
    homepage: str
    prompts: tuple[str, ...]
    input_px: int
    memory_mb: int
    needs_module: str
    url: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    gated: bool = False

    @property
    def ships(self) -> bool:
        """Whether the file is part of the project, so that nothing has to be fetched."""
        return self.url is None and not self.gated


@lru_cache(maxsize=1)
def entries() -> dict[str, CatalogueEntry]:
    """Every entry by its name, in the order of the file."""
    records = tomllib.loads(CATALOGUE_FILE.read_text(encoding="utf-8"))
    return {
        name: CatalogueEntry(name=name, **{**record, "prompts": tuple(record["prompts"])})
        for name, record in records.items()
    }


def entry(name: str) -> CatalogueEntry:
    """The entry called `name`; raises `InvalidInput` with the names there are."""
    known = entries()
    if name not in known:
        raise InvalidInput(
            f"There is no model '{name}' in the catalogue; choose one of {', '.join(known)}."
        )
    return known[name]
