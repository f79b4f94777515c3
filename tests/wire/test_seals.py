"""What one vendor sealed goes through another's format unharmed."""

from hypothesis import given
from hypothesis import strategies as st

from headgate.wire import ir
from headgate.wire.seals import MARK, sealed, unsealed

_secrets = st.text(min_size=1).filter(lambda text: not text.startswith(MARK))
_families = st.sampled_from(("anthropic", "gemini", "responses"))
_accounts = st.sampled_from(("", "cafe0001"))


@given(_families, _families, _secrets, _accounts, st.booleans())
def test_a_seal_comes_back_as_it_was(
    own: str, family: str, secret: str, account: str, redacted: bool
) -> None:
    if family == own:
        block = ir.Thinking(family=family, signature=secret)
    elif redacted:
        block = ir.Thinking(family=family, redacted=secret, account=account)
    else:
        block = ir.Thinking(family=family, signature=secret, account=account)
    told = sealed(block, own)
    assert told is not None
    assert told.startswith(MARK) is (family != own)
    assert unsealed(told, own) == block


@given(st.text())
def test_any_text_is_somebodys_seal(text: str) -> None:
    block = unsealed(text, "anthropic")
    assert text.startswith(MARK) or block.signature == text


def test_what_bears_no_seal_gets_none() -> None:
    assert sealed(ir.Thinking("Hm."), "anthropic") is None
