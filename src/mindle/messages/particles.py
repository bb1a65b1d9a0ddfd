"""Korean particles that agree with the word before them."""

from __future__ import annotations

import re

# As written in the catalogue: (after a final consonant, after a vowel).
PARTICLES = {
    "을(를)": ("을", "를"),
    "은(는)": ("은", "는"),
    "이(가)": ("이", "가"),
    "과(와)": ("과", "와"),
    "(으)로": ("으로", "로"),
    "(이)라": ("이라", "라"),
    "(이)나": ("이나", "나"),
    "(이)며": ("이며", "며"),
    "(이)고": ("이고", "고"),
    "(이)면": ("이면", "면"),
    "(이)어": ("이어", "여"),
    "(이)었": ("이었", "였"),
    "(이)에요": ("이에요", "예요"),
}
_PARTICLE = re.compile(
    "(?P<word>[0-9A-Za-z가-힣%]+)(?P<close>[\"'”’»)\\]}`]*)(?P<particle>"
    + "|".join(map(re.escape, PARTICLES))
    + ")"
)
# Final sounds of digits as they are read: 영 일 이 삼 사 오 육 칠 팔 구.
_DIGITS = dict(zip("0123456789", ("ㅇ", "ㄹ", "", "ㅁ", "", "", "ㄱ", "ㄹ", "ㄹ", ""), strict=True))
# Letters whose names end in a consonant: 엘 엠 엔 아르 is read 알.
_NAMES = {"L": "ㄹ", "M": "ㅁ", "N": "ㄴ", "R": "ㄹ"}


def with_particles(text: str) -> str:
    """The text with each particle in the form that its word wants.

    Example:
        >>> with_particles("'고양이'은(는) '개집'과(와) 3을(를) 서울(으)로")
        "'고양이'는 '개집'과 3을 서울로"
    """
    return _PARTICLE.sub(lambda found: found["word"] + found["close"] + _form(found), text)


def _form(found: re.Match[str]) -> str:
    consonant, vowel = PARTICLES[found["particle"]]
    final = final_sound(found["word"])
    if found["particle"] == "(으)로" and final == "ㄹ":
        return vowel
    return consonant if final else vowel


def final_sound(word: str) -> str:
    """The consonant with which a word ends as Koreans say it; "" after a vowel.

    Foreign words follow how they are usually transcribed: a stop after a short vowel closes the syllable
    (cat, 캣), elsewhere a vowel is added (oak, 오크).

    Source:
        Rules of the Korean transcription of foreign words, National Institute of Korean Language, chapter 3.

    Example:
        >>> [final_sound(word) for word in ("꽃", "7", "50%", "cat", "oak", "tulip", "file", "CNN", "CSV")]
        ['ㅊ', 'ㄹ', '', 'ㅅ', '', 'ㅂ', 'ㄹ', 'ㄴ', '']
    """
    last = word[-1]
    if "가" <= last <= "힣":
        index = (ord(last) - ord("가")) % 28
        return " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"[index].strip()
    if last in _DIGITS:
        return _DIGITS[last]
    letters = re.findall("[A-Za-z]*$", word)[0]
    if letters.isupper():
        return _NAMES.get(last, "")
    return _latin(letters.lower())


def _latin(word: str) -> str:
    """The final sound of a word in Latin letters."""
    sound = word[:-1] if re.search("[lmn]e$", word) and len(word) > 3 else word
    if sound.endswith("ng"):
        return "ㅇ"
    if sound[-1:] in "lmn":
        return {"l": "ㄹ", "m": "ㅁ", "n": "ㄴ"}.get(sound[-1:], "")
    if re.search("(?:^|[^aeiou])[aeiou](?:ck|[ckpt])$", sound):  # a stop after a single short vowel
        return {"p": "ㅂ", "t": "ㅅ"}.get(sound[-1], "ㄱ")
    return ""
