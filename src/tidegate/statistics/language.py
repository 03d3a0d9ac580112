"""Which language a text is in, as far as script and function words tell. Pure.

A closed set: nine scripts that stand for themselves, and seven languages in Latin letters by words
that are common in one of them and not in the others. `und` where nothing tells, as in two words
without an article; such texts are a stratum like any other. It is for parting traffic, not for
naming it: what matters is that a language that was not there before looks different.
"""

import re
from functools import cache

UNKNOWN = "und"
LATIN_SHARE = 0.5
MOST_CHARACTERS = 2_000
"""Read of a text; more does not change the answer."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_SCRIPTS = (
    ("ja", 0x3040, 0x30FF),
    ("ko", 0xAC00, 0xD7AF),
    ("zh", 0x4E00, 0x9FFF),
    ("cyrillic", 0x0400, 0x052F),
    ("greek", 0x0370, 0x03FF),
    ("arabic", 0x0600, 0x06FF),
    ("hebrew", 0x0590, 0x05FF),
    ("devanagari", 0x0900, 0x097F),
    ("thai", 0x0E00, 0x0E7F),
)
_FUNCTION_WORDS = {
    "en": (
        "the and of to my i you your what how why is are was do does did can could would should"
        " will have has it's what's i'm don't can't this that there for with from it if when where"
        " which who be been not but please tell give need want get any some about show know"
    ),
    "de": (
        "der das und ist nicht ich ein eine einen einem wie wann warum mein meine meinen kann"
        " können mit für auf von zu zum zur sie wir haben habe hat bitte wo welche möchte wird"
        " werden noch auch dem den bei nach über wenn dass"
    ),
    "fr": (
        "le les des et est une je vous mon ma mes ne pas pour avec sur comment pourquoi quand où"
        " quel quelle puis peux ai avez suis dans au aux du cette c'est j'ai qu'est il y"
    ),
    "es": (
        "el los las y es una yo usted mi mis cómo qué cuándo dónde por para con puedo quiero está"
        " tengo tiene del al cuál hacer necesito si se lo una cuenta mí"
    ),
    "pt": (
        "os as uma eu você meu minha meus não como posso quero está tenho tem do da dos das em no"
        " na qual quando onde preciso fazer para com é são ao"
    ),
    "it": (
        "il gli una io mio mia miei non come posso voglio è sono ho hai del della dei delle nel"
        " nella che quando dove perché quale fare devo con per di"
    ),
    "nl": (
        "het een en ik je jij mijn niet hoe wanneer waarom kan kunt wil heb heeft met voor op van"
        " naar wat waar welke moet graag zijn mij ook nog deze dit"
    ),
}


def language(text: str) -> str:
    """Give a name out of the closed set."""
    read = text[:MOST_CHARACTERS]
    script = _script(read)
    if script is not None:
        return script
    counts = dict.fromkeys(_FUNCTION_WORDS, 0)
    for word in _WORD.findall(read.casefold()):
        for name in _languages_of().get(word, ()):
            counts[name] += 1
    ranked = sorted(counts.items(), key=lambda one: -one[1])
    (best, most), (_, second) = ranked[0], ranked[1]
    return best if most > second else UNKNOWN


def _script(text: str) -> str | None:
    """Name the script of most letters, when it is not Latin; kana make a text Japanese."""
    counts: dict[str, int] = {}
    letters = 0
    for character in text:
        if character.isascii():
            letters += character.isalpha()
            continue
        if not character.isalpha():
            continue
        letters += 1
        point = ord(character)
        for name, first, last in _SCRIPTS:
            if first <= point <= last:
                counts[name] = counts.get(name, 0) + 1
                break
    if not counts or sum(counts.values()) < LATIN_SHARE * letters:
        return None
    return "ja" if "ja" in counts else max(counts, key=lambda name: counts[name])


@cache
def _languages_of() -> dict[str, tuple[str, ...]]:
    """Give the languages of each function word."""
    found: dict[str, tuple[str, ...]] = {}
    for name, words in _FUNCTION_WORDS.items():
        for word in words.split():
            found[word] = (*found.get(word, ()), name)
    return found
