"""Whether a text is English at all: by its script, and by the commonest words of other languages."""

from __future__ import annotations

import unicodedata
from functools import cache

from inference_backend.language.lexicon import phrases, split_words, word_list

# The commonest function words, and the things people look for first. Words that are English as well stand in no list.
_WORDS: dict[str, str] = {
    "French": "le les des du une dans sur avec sans près plus grand grande grands grandes que qui et ou où sont est au aux nord sud bâtiment bâtiments maison maisons toit toits rouge rouges route routes arbre arbres eau voiture voitures rivière piscine piscines combien montre trouve tous toutes entre chez",
    "German": "der das den dem ein eine einen einer und oder mit ohne im auf neben zwischen größer kleiner als größte kleinste alle wo ist sind wie viele nördlich südlich östlich westlich vom von zeige finde gebäude haus häuser dach dächer rote roten straße straßen bäume baum wasser autos fluss nahe nicht",
    "Spanish": "el los las del una con sin cerca entre más grande grandes que y dónde donde están hay cuántos muestra todos todas norte sur edificio edificios casa casas tejado tejados rojo rojos rojas carretera carreteras árbol árboles arboles agua coche coches río rio piscinas cuantos encuentra",
    "Italian": "il gli dei delle della una con senza vicino più grande grandi che dove sono quanti mostra tutti tutte nord sud edificio edifici casa case tetto tetti rosso rossi rosse strada strade albero alberi acqua macchine fiume piscina piscine di nel trova tra",
    "Portuguese": "os das dos uma com sem perto mais grande grandes que onde estão há quantos mostre todos todas norte sul edifício edifícios prédio prédios casa casas telhado telhados vermelho vermelhos estrada estradas árvore árvores água carro carros rio piscina não encontre",
    "Dutch": "het een van de met zonder naast tussen groter kleiner dan grootste alle waar zijn hoeveel noorden zuiden gebouw gebouwen huis huizen dak daken rode weg wegen bomen boom rivier dichtbij niet toon vind zoek",
}
_SCRIPTS = ("CYRILLIC", "GREEK", "ARABIC", "HEBREW", "CJK", "HIRAGANA", "KATAKANA", "HANGUL")
_SCRIPTS += ("DEVANAGARI", "THAI", "BENGALI", "TAMIL", "ARMENIAN", "GEORGIAN", "TELUGU", "ETHIOPIC")
_SCRIPT_NAMES = {
    "CJK": "Chinese",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
}


def foreign_language(text: str) -> str | None:
    """The language or script of a text that is not English; None where it may be English."""
    letters = [sign for sign in text if sign.isalpha()]
    names = [unicodedata.name(sign, "") for sign in letters]
    for script in _SCRIPTS:
        if 2 * sum(name.startswith(script) for name in names) > len(letters):
            return f"{_SCRIPT_NAMES.get(script, script.capitalize())} letters"
    words = split_words(text)
    hits = {
        language: sum(word in listed and word not in _english() for word in words)
        for language, listed in _listed().items()
    }
    # Words that English shares ("grande" it does not, "die" it does) count for neither side.
    language, most = max(hits.items(), key=lambda item: item[1])
    english = sum(word in _english() for word in words)
    return language if most > english or (most >= 2 and most >= english) else None


@cache
def _listed() -> dict[str, frozenset[str]]:
    return {language: frozenset(words.split()) for language, words in _WORDS.items()}


@cache
def _english() -> frozenset[str]:
    known = {word for key in phrases() for word in key}
    for table in ("opening", "wondering"):
        known |= {word for key in word_list(table) for word in key}
    return frozenset(known)
