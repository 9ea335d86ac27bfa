"""``costmeter check``, and how commands tell errors."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from costmeter.cli import app

ROOT = Path(__file__).parents[2]
BCRYPT = f"$2b$04${'x' * 53}"


def test_a_right_configuration_is_told_so() -> None:
    result = CliRunner().invoke(app, ["check", "--config", str(ROOT / "costmeter.yml")])
    assert (result.exit_code, result.stdout) == (0, f"{ROOT / 'costmeter.yml'}: ok\n")


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    config, web = tmp_path / "costmeter.yml", tmp_path / "web.yml"
    config.write_text("listen: nowhere\nledgre: /a\n")
    web.write_text("tls_server_config: {cert_file: none.pem}\n")
    result = CliRunner().invoke(
        app, ["check", "--config", str(config), "--web.config.file", str(web)]
    )
    assert result.exit_code == 2
    problems = result.stderr.splitlines()
    assert problems[:2] == [
        f"{config}: listen: 'nowhere': an address is written host:port, such as 127.0.0.1:9464 or [::1]:9464",
        f"{config}: ledgre: unknown key",
    ]
    assert any(problem.startswith(f"{web}: tls_server_config") for problem in problems[2:])


ACCESS = f"""
access:
  read: [prometheus, finnance]
  budgets: finance
  tokens: {{finance: "sha256:{"0" * 64}"}}
"""
UNKNOWN = "access.read: 'finnance': no such user or token, there are prometheus, finance"


def test_a_name_in_access_that_is_nobodys_is_a_mistake(tmp_path: Path) -> None:
    config, web = tmp_path / "costmeter.yml", tmp_path / "web.yml"
    config.write_text(ACCESS)
    web.write_text(f"basic_auth_users: {{prometheus: {BCRYPT}}}\n")
    result = CliRunner().invoke(
        app, ["check", "--config", str(config), "--web.config.file", str(web)]
    )
    assert result.exit_code == 2
    assert result.stderr == f"{config}: {UNKNOWN}\n"


def test_without_the_file_of_users_a_name_that_is_no_token_is_only_mentioned(
    tmp_path: Path,
) -> None:
    config = tmp_path / "costmeter.yml"
    config.write_text(ACCESS)
    result = CliRunner().invoke(app, ["check", "--config", str(config)])
    assert result.exit_code == 0
    assert [line.partition(";")[0] for line in result.stderr.splitlines()] == [
        f"{config}: access.read: {name!r}: no such user or token, there are finance"
        for name in ("prometheus", "finnance")
    ]


def test_a_file_has_to_be_named() -> None:
    assert CliRunner().invoke(app, ["check"]).exit_code == 2


@pytest.mark.parametrize("arguments", [("serve",), ("spend",), ("pricing",), ("reprice",)])
def test_an_error_is_told_in_words_with_status_2(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "costmeter", *arguments, "--config", tmp_path / "none.yml"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path / 'none.yml'}: cannot be read: No such file or directory\n"


def test_every_command_is_in_the_documentation() -> None:
    text = "\n".join(
        path.read_text("utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    )
    for command in app.registered_commands:
        name = command.name or command.callback.__name__
        assert f"costmeter {name}" in text, f"'costmeter {name}' is documented nowhere"
