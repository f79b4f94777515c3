"""TLS contexts, made once for each combination of trust and client certificate."""

import ssl
from functools import lru_cache

from headgate.errors import APIConnectionError


@lru_cache(maxsize=64)
def context(
    verify: bool, ca_file: str | None, client_cert: str | None, client_key: str | None
) -> ssl.SSLContext:
    """Raises APIConnectionError naming the file that can't be used."""
    try:
        made = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise APIConnectionError(f"the CA file {ca_file!r} can't be used: {error}") from None
    made.set_alpn_protocols(["http/1.1"])
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if client_cert:
        try:
            made.load_cert_chain(client_cert, client_key, _no_password)
        except (OSError, ssl.SSLError) as error:
            raise APIConnectionError(
                f"the client certificate {client_cert!r} with the key {client_key or client_cert!r}"
                f" can't be used: {error}; expected PEM files that belong together"
            ) from None
    return made


def _no_password() -> str:
    """Without it OpenSSL asks whoever sits at the terminal, and everything waits."""
    raise OSError("the key is locked with a password")
