"""What mindle says to people, each sentence once in every language it speaks.

A sentence is an entry of a TOML file in this folder: `[group] name = { en = "…", ko = "…" }` in `data.toml`
has the code "data.group.name". `en_one` is said where the value `n` is 1, `en_rows` where the data are rows
(`unit="rows"`); the same in every language. Gaps are those of `str.format`. A Korean particle that depends on
the word before it is written in both forms, 을(를), and settled when the sentence is made.
"""

from mindle.messages.catalogue import LANGUAGES as LANGUAGES
from mindle.messages.catalogue import catalogue as catalogue
from mindle.messages.catalogue import forms_of as forms_of
from mindle.messages.catalogue import require_language as require_language
from mindle.messages.catalogue import text_of as text_of
from mindle.messages.language import current_language as current_language
from mindle.messages.language import speaking as speaking
from mindle.messages.message import Message as Message
from mindle.messages.message import in_language as in_language
from mindle.messages.message import known_message as known_message
from mindle.messages.message import message as message
from mindle.messages.message import message_document as message_document
from mindle.messages.message import read_message as read_message
from mindle.messages.message import sentences_of as sentences_of
from mindle.messages.message import with_sentences as with_sentences
from mindle.messages.message import with_translations as with_translations
from mindle.messages.particles import with_particles as with_particles
