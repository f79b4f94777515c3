"""Which proxy a connection goes through, as curl and Python's own client read the environment. Pure."""

import ipaddress
from collections.abc import Mapping


def proxy_for(scheme: str, host: str, port: int, env: Mapping[str, str]) -> str | None:
    """The proxy's URL, None for a direct connection. Lower-case names win over upper-case ones.

    NO_PROXY holds hosts, domains (with or without a leading dot), networks in CIDR form, each perhaps with
    ":port", or "*". HTTP_PROXY in upper case is not read where REQUEST_METHOD is set: a CGI client could
    forge it.
    """
    names = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"]
    if "REQUEST_METHOD" in env and scheme == "http":
        names.remove("HTTP_PROXY")
    proxy = next((env[name].strip() for name in names if env.get(name, "").strip()), None)
    if proxy is None or _excluded(host.lower(), port, env.get("no_proxy") or env.get("NO_PROXY") or ""):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _excluded(host: str, port: int, rules: str) -> bool:
    return any(_matches(host, port, rule) for rule in rules.lower().replace(",", " ").split())


def _matches(host: str, port: int, rule: str) -> bool:
    if rule == "*":
        return True
    name, colon, number = rule.rpartition(":")
    if colon and number.isdigit() and (":" not in name or name.endswith("]")):
        if int(number) != port:
            return False
        rule = name
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        domain = rule.removeprefix("*").lstrip(".")
        return host == domain or host.endswith("." + domain)
    try:
        return address in ipaddress.ip_network(rule.strip("[]"), strict=False)
    except ValueError:  # a domain has no addresses
        return False
