"""`headgate explain` on a configuration, as an operator types it."""

from pathlib import Path

from click.testing import CliRunner

from headgate.cli.main import main

CONFIG = """
model_list:
  - {model_name: m, litellm_params: {model: mock/echo}, model_info: {id: the-one}}
  - {model_name: waiting, litellm_params: {model: in-house, litellm_credential_name: kept}}
general_settings: {store_model_in_db: true}
"""


def test_rows_that_wait_for_a_credential_of_the_database_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    given = ["explain", "--config", str(tmp_path / "config.yaml"), "--model"]
    found = CliRunner().invoke(main, [*given, "m"])
    assert found.exit_code == 0, found.output
    assert "the-one" in found.stdout
    assert "'waiting' of the file is left out: there is no credential 'kept'" in found.stderr
    assert CliRunner().invoke(main, [*given, "waiting"]).exit_code == 1
