"""Exchanges as providers document them, where none was ever recorded: an answer, and what it says.

Each names the page that has its shape. tests/replay/test_documented.py plays them.
"""

from documented.chats import CHATS, MESSAGES
from documented.texts import RESPONSES, TEXTS

EXCHANGES = (*CHATS, *MESSAGES, *TEXTS, *RESPONSES)
