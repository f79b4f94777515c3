"""AWS's shared config and credentials files: profiles, and the sources of keys that they name.

https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html. Knows nothing of the order in which files and
variables are asked.
"""

import configparser
import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from headgate.providers.auth import aws_sources as sources
from headgate.providers.auth.aws_sources import Source
from headgate.providers.auth.base import Surroundings, missing
from headgate.providers.auth.sigv4 import Keys

SESSION: Final = "headgate"
"""The name of a session where none was given; CloudTrail shows it."""
_KEYS: Final = frozenset({"aws_access_key_id", "aws_secret_access_key", "aws_session_token"})

Profile = Mapping[str, str]


class Files:
    """The profiles of both files, read anew with each instance: other programs write them."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        env = around.env
        self.config_path = around.path(env.get("AWS_CONFIG_FILE") or "~/.aws/config")
        self.credentials_path = around.path(env.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials")
        config, credentials = self._read(self.config_path), self._read(self.credentials_path)
        self._sessions = {
            name.removeprefix("sso-session").strip(): section
            for name, section in config.items()
            if name.startswith("sso-session ")
        }
        self._profiles: dict[str, dict[str, str]] = {}
        for name, section in config.items():
            if name == "default" or name.startswith("profile "):
                self._profiles[name.removeprefix("profile ").strip()] = dict(section)
        for name, section in credentials.items():
            own = self._profiles.setdefault(name, {})
            if section.keys() & _KEYS:  # never half of a pair from each file
                own = {key: value for key, value in own.items() if key not in _KEYS}
            self._profiles[name] = {**own, **section}

    @property
    def names(self) -> list[str]:
        return list(self._profiles)

    def profile(self, name: str) -> Profile:
        """Raises AuthenticationError naming the profiles that there are."""
        found = self._profiles.get(name)
        if found is None:
            known = ", ".join(self._profiles) or "none"
            raise missing(
                f"no AWS profile {name!r} in {self.config_path} or {self.credentials_path}: there are {known}"
            )
        return found

    def session(self, name: str) -> Profile:
        found = self._sessions.get(name)
        if found is None:
            raise missing(f"no [sso-session {name}] in {self.config_path}")
        return found

    def _read(self, path: str) -> dict[str, dict[str, str]]:
        try:
            text = self.around.read(path).decode()
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise missing(f"{path} can't be read: {type(error).__name__}") from None
        parser = configparser.RawConfigParser(
            delimiters=("=",), strict=False, default_section="", allow_no_value=True
        )
        try:
            parser.read_string(text)
        except configparser.Error as error:  # its own text shows the line, which may hold a key
            line = getattr(error, "lineno", None) or next(
                (one for one, _ in getattr(error, "errors", ())), "?"
            )
            raise missing(
                f"{path}, line {line}: no INI file: expected [profile name] and key = value"
            ) from None
        return {name: {key: value or "" for key, value in parser.items(name)} for name in parser.sections()}


def profile_source(
    files: Files, name: str, region: str, by_name: Callable[[str], Source], seen: tuple[str, ...] = ()
) -> Source | None:
    """Who gives the keys of a profile, None where it names nobody. `by_name` finds a `credential_source`.

    Raises AuthenticationError for a profile that does not exist, that goes round in circles, or that wants
    something that Headgate does not do.
    """
    if name in seen:
        raise missing(f"the AWS profiles {' → '.join((*seen, name))} go round in circles by source_profile")
    profile = files.profile(name)
    as_source = bool(seen) and "aws_access_key_id" in profile and "web_identity_token_file" not in profile
    if "role_arn" in profile and not as_source:  # as a source a profile's keys go before its role
        return _role(files, name, profile, region, by_name, seen)
    if "sso_session" in profile or "sso_start_url" in profile:
        return _sso(files, name, profile)
    if keys := _keys(name, profile):
        return sources.static(keys)
    if "credential_process" in profile:
        raise missing(
            f"the AWS profile {name!r} has a credential_process: Headgate starts no programs. Give keys, a role, "
            "or run the program yourself and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
        )
    return None


def _keys(name: str, profile: Profile) -> Keys | None:
    access, secret = profile.get("aws_access_key_id"), profile.get("aws_secret_access_key")
    if not access and not secret:
        return None
    if not access or not secret:
        lacking = "aws_secret_access_key" if access else "aws_access_key_id"
        raise missing(f"the AWS profile {name!r} lacks {lacking}")
    return Keys(access=access, secret=secret, session=profile.get("aws_session_token", ""))


def _role(
    files: Files,
    name: str,
    profile: Profile,
    region: str,
    by_name: Callable[[str], Source],
    seen: tuple[str, ...],
) -> Source:
    role, session = profile["role_arn"], profile.get("role_session_name", "")
    seconds = profile.get("duration_seconds", "")
    url = sources.sts_url(region, files.around.variable("AWS_ENDPOINT_URL_STS"))
    if path := profile.get("web_identity_token_file"):
        token = token_file(files.around, path, f"profile {name}")
        return sources.web_identity(token, role_form(role, session, seconds=seconds), url=url)
    if "mfa_serial" in profile:
        raise missing(f"the AWS profile {name!r} has an mfa_serial: nobody is here to type the code")
    base: Source | None
    if source := profile.get("source_profile"):
        own = _keys(name, profile) if source == name else None
        base = sources.static(own) if own else profile_source(files, source, region, by_name, (*seen, name))
    elif source := profile.get("credential_source"):
        base = by_name(source)
    else:
        raise missing(f"the AWS profile {name!r} has a role_arn, but no source_profile or credential_source")
    if base is None:
        raise missing(f"the AWS profile {source!r}, source_profile of {name!r}, has no keys")
    form = role_form(role, session, external=profile.get("external_id", ""), seconds=seconds)
    return sources.assume_role(base, form, url=url, region=region)


def _sso(files: Files, name: str, profile: Profile) -> Source:
    session = profile.get("sso_session", "")
    login = files.session(session) if session else profile
    wanted = {
        "sso_region": login.get("sso_region", ""),
        "sso_start_url": login.get("sso_start_url", ""),
        "sso_account_id": profile.get("sso_account_id", ""),
        "sso_role_name": profile.get("sso_role_name", ""),
    }
    if lacking := [key for key, value in wanted.items() if not value]:
        raise missing(f"the AWS profile {name!r} lacks {', '.join(lacking)}")
    digest = hashlib.sha1((session or wanted["sso_start_url"]).encode(), usedforsecurity=False).hexdigest()
    path = f"~/.aws/sso/cache/{digest}.json"
    return sources.sso(
        lambda: files.around.file(path, f"run `aws sso login --profile {name}`"),
        profile=name,
        region=wanted["sso_region"],
        account=wanted["sso_account_id"],
        role=wanted["sso_role_name"],
        endpoint=files.around.variable("AWS_ENDPOINT_URL_SSO"),
    )


def role_form(role: str, session: str, *, external: str = "", seconds: str = "") -> dict[str, str]:
    """The form of AssumeRole and of AssumeRoleWithWebIdentity, which knows no external id."""
    form = {"RoleArn": role, "RoleSessionName": session or SESSION}
    if external:
        form["ExternalId"] = external
    if seconds:
        form["DurationSeconds"] = seconds
    return form


def token_file(around: Surroundings, path: str, what: str) -> Callable[[], str]:
    """Kubernetes writes a new token into the file every hour or so."""
    return lambda: around.file(path, f"the web identity token of {what}").strip()
