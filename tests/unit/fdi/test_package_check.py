"""What a check finds, what a site's policy takes, and what `fieldloom package check` and `sign` say and do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from typer.testing import CliRunner, Result

from server.cli import app
from server.core.clock import ManualClock, SystemClock, to_datetime
from server.core.errors import ConfigurationError, IntegrationError
from server.fdi.archive import ContainerLimits
from server.fdi.check import inspect
from server.fdi.container import Container
from server.fdi.errors import PackageError, Severity
from server.fdi.package import read_package
from server.fdi.signature.result import SignatureReport, SignatureState
from server.fdi.signature.verifying import Trust, verify
from server.fdi.trust import TrustPolicy, judge, policy_of, trusted_certificates
from server.settings import PackageSettings, Settings
from tests.kit.attacks import added, changed, stranger, with_plug_in
from tests.kit.packages import EDD, Item, make_package, members, package_files, raw_zip, repacked
from tests.kit.signing import CODE, DAY, NOW, Identity, certify, ec_key, maker, middle, root, rsa_key, signed, stamper

POLICY = TrustPolicy(clock=ManualClock(NOW), certificates=(root().certificate,))
PEM = Encoding.PEM


# -- policy


@pytest.mark.parametrize("allow_untrusted", [False, True])
@pytest.mark.parametrize("allow_unsigned", [False, True])
@pytest.mark.parametrize("state", list(SignatureState))
def test_every_state_under_every_policy(state: SignatureState, allow_unsigned: bool, allow_untrusted: bool) -> None:
    taken = {
        SignatureState.UNSIGNED: allow_unsigned,
        SignatureState.VALID: True,
        SignatureState.VALID_WITH_WARNINGS: True,
        SignatureState.UNTRUSTED: allow_untrusted,
        SignatureState.INVALID: False,
        SignatureState.PARTIALLY_SIGNED: False,
    }
    policy = TrustPolicy(clock=ManualClock(), allow_unsigned=allow_unsigned, allow_untrusted=allow_untrusted)
    error = judge(SignatureReport(state=state, rule="signature.digest", reason="because"), policy)
    assert (error is None) is taken[state]
    if error is not None:
        assert error.rule == "signature.digest"
        assert "because" in error.reason


def test_the_built_in_folder_may_hold_unsigned_packages_but_no_broken_ones() -> None:
    strict = TrustPolicy(clock=ManualClock())
    assert judge(SignatureReport(), strict) is not None
    assert judge(SignatureReport(), strict.builtin) is None
    closed = TrustPolicy(clock=ManualClock(), allow_builtin_unsigned=False)
    assert judge(SignatureReport(), closed.builtin) is not None
    assert judge(SignatureReport(state=SignatureState.UNTRUSTED), strict.builtin) is None
    assert judge(SignatureReport(state=SignatureState.UNTRUSTED), closed.builtin) is not None
    for state in (SignatureState.INVALID, SignatureState.PARTIALLY_SIGNED):
        assert judge(SignatureReport(state=state), strict.builtin) is not None


def test_without_a_policy_the_state_is_only_reported() -> None:
    assert read_package(make_package()).signature.state is SignatureState.UNSIGNED
    assert read_package(signed()).signature.state is SignatureState.UNTRUSTED
    assert read_package(added("doc/new.txt")).signature.state is SignatureState.PARTIALLY_SIGNED


def test_with_a_policy_a_package_is_refused_before_its_content_is_looked_at() -> None:
    with pytest.raises(PackageError) as caught:
        read_package(make_package(edd="nonsense"), ContainerLimits(), POLICY)
    assert caught.value.rule == "signature.unsigned"
    assert read_package(signed(stamped=stamper()), ContainerLimits(), POLICY).signature.state is SignatureState.VALID


def test_the_clock_of_the_policy_counts() -> None:
    clock = ManualClock(NOW)
    policy = TrustPolicy(clock=clock, certificates=(root().certificate,))
    data = signed()
    assert read_package(data, ContainerLimits(), policy).signature.state is SignatureState.VALID_WITH_WARNINGS
    clock.advance(400 * 86_400)
    with pytest.raises(PackageError) as caught:
        read_package(data, ContainerLimits(), policy)
    assert caught.value.rule == "signature.expired"


def test_the_policy_comes_from_the_settings(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(root().certificate.public_bytes(PEM))
    default = policy_of(Settings(packages=PackageSettings(trust_dir=tmp_path)), ManualClock())
    assert default.certificates == (root().certificate,)
    assert (default.allow_unsigned, default.allow_untrusted, default.accept_sha1) == (False, False, False)
    assert default.allow_builtin_unsigned
    lax = PackageSettings(
        trust_dir=tmp_path / "none", unsigned="allow", untrusted="allow", builtin_unsigned="refuse", accept_sha1=True
    )
    found = policy_of(Settings(packages=lax), ManualClock())
    assert found.certificates == ()
    assert (found.allow_unsigned, found.allow_untrusted, found.accept_sha1) == (True, True, True)
    assert not found.allow_builtin_unsigned


def test_the_trust_folder_is_read_whole(tmp_path: Path) -> None:
    both = root().certificate.public_bytes(PEM) + middle().certificate.public_bytes(PEM)
    (tmp_path / "a.pem").write_bytes(both)
    (tmp_path / "b.cer").write_bytes(maker().der)
    (tmp_path / "README.md").write_text("no certificate", encoding="utf-8")
    (tmp_path / "folder.pem").mkdir()
    assert [entry.subject.rfc4514_string() for entry in trusted_certificates(tmp_path)] == [
        "CN=Test Root",
        "CN=Test Middle",
        "CN=Acme Packages",
    ]


def test_every_broken_file_of_the_trust_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "worse.der").write_bytes(b"")
    with pytest.raises(ConfigurationError) as caught:
        trusted_certificates(tmp_path)
    assert ["bad.pem" in problem or "worse.der" in problem for problem in caught.value.problems] == [True, True]


# -- findings


def found(data: bytes, policy: TrustPolicy = POLICY) -> dict[str, Severity]:
    return {finding.rule: finding.severity for finding in inspect(data, ContainerLimits(), policy).findings}


def test_a_good_package_is_spotless() -> None:
    result = inspect(signed(with_plug_in(), stamped=stamper()), ContainerLimits(), POLICY)
    assert result.good
    assert result.spotless
    assert result.package is not None
    assert [(finding.severity, finding.rule) for finding in result.findings] == [
        (Severity.INFO, "signature"),
        (Severity.INFO, "registration"),
    ]
    assert "signed by Acme Packages" in result.findings[0].text
    assert "Test Authority" in result.findings[1].text


def test_a_missing_signature_is_a_warning() -> None:
    result = inspect(make_package(), ContainerLimits(), POLICY)
    assert result.good
    assert not result.spotless
    assert [finding.rule for finding in result.findings] == ["signature.unsigned"]
    assert "uploads are refused unless packages.unsigned is allow" in result.findings[0].text
    allowed = inspect(make_package(), ContainerLimits(), replace(POLICY, allow_unsigned=True))
    assert "upload" not in allowed.findings[0].text


def test_all_mistakes_of_an_edd_come_with_place_and_text_around() -> None:
    broken = EDD.replace("TYPE DOUBLE", "TYPE TRIPLE", 1)
    result = inspect(make_package(edd=broken), ContainerLimits(), POLICY)
    assert not result.good
    assert result.package is None
    errors = [finding for finding in result.findings if finding.severity is Severity.ERROR]
    assert errors
    assert all(finding.part == "/edd/device.ddl" and finding.line and finding.column for finding in errors)
    assert any("TRIPLE" in finding.excerpt for finding in errors)


def test_a_broken_content_does_not_hide_a_broken_signature() -> None:
    both = members(signed(make_package(edd="nonsense")))
    both["protocol/mqtt.toml"] += b"# changed"
    rules = found(repacked(both))
    assert rules["signature.digest"] is Severity.ERROR
    assert any(rule.startswith("edd.") for rule in rules)


@pytest.mark.parametrize(
    ("make", "rule", "severity"),
    [
        (lambda: signed(), "signature.no-trusted-time", Severity.WARNING),
        (lambda: signed(by=stranger()), "signature.chain", Severity.ERROR),
        (lambda: added("doc/new.txt"), "signature.coverage", Severity.ERROR),
        (lambda: changed("edd/device.ddl", b"80.0", b"99.0"), "signature.digest", Severity.ERROR),
        (lambda: b"PK", "zip.structure", Severity.ERROR),
        (lambda: raw_zip([Item(name="../x.txt")]), "opc.escape", Severity.ERROR),
    ],
    ids=["no-time", "untrusted", "partial", "invalid", "no-zip", "slip"],
)
def test_signature_states_as_findings(make: Callable[[], bytes], rule: str, severity: Severity) -> None:
    assert found(make())[rule] is severity


def test_an_untrusted_signer_is_a_warning_where_the_policy_allows_it() -> None:
    lax = TrustPolicy(clock=ManualClock(NOW), allow_untrusted=True)
    assert found(signed(by=stranger()), lax)["signature.chain"] is Severity.WARNING


def test_the_schema_is_part_of_the_check() -> None:
    items = members(make_package())
    items["catalog.xml"] = items["catalog.xml"].replace(
        b"<ManufacturerName>", b"<Version>1.0.0</Version><ManufacturerName>"
    )
    rules = found(repacked(items))
    assert rules["catalog.schema"] is Severity.ERROR
    assert rules["catalog.order"] is Severity.ERROR


# -- the command


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a package, a maker of today, and his authority in the trust folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIELDLOOM_PACKAGES__TRUST_DIR", str(tmp_path / "trust"))
    (tmp_path / "trust").mkdir()
    now = to_datetime(SystemClock().now())
    span = {"begins": now - DAY, "ends": now + DAY}
    top = certify("Shop Root", rsa_key("root"), authority=True, **span)  # type: ignore[arg-type]
    below = certify("Shop Middle", rsa_key("middle"), issuer=top, authority=True, **span)  # type: ignore[arg-type]
    who = certify("Shop Packages", ec_key("shop"), issuer=below, usages=CODE, **span)  # type: ignore[arg-type]
    (tmp_path / "trust" / "root.pem").write_bytes(top.certificate.public_bytes(PEM))
    (tmp_path / "middle.pem").write_bytes(below.certificate.public_bytes(PEM))
    write_identity(tmp_path, "maker", who)
    write_identity(tmp_path, "other", certify("Other", rsa_key("other"), usages=CODE, **span))  # type: ignore[arg-type]
    (tmp_path / "thing.fdix").write_bytes(make_package())
    return tmp_path


def write_identity(folder: Path, name: str, who: Identity) -> None:
    (folder / f"{name}.pem").write_bytes(who.certificate.public_bytes(PEM))
    (folder / f"{name}.key").write_bytes(who.key.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption()))


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["package", *words])


def sign(*more: str) -> Result:
    return run("sign", "thing.fdix", "--key", "maker.key", "--certificate", "maker.pem", *more)


def test_check_prints_findings_and_ends_with_0_or_1(shop: Path) -> None:
    good = run("check", "thing.fdix")
    assert good.exit_code == 0, good.output
    assert "warning: the package carries no signature" in good.output
    assert "[signature.unsigned]" in good.output
    assert "test_thing: 4 parameters" in good.output
    assert run("check", "thing.fdix", "--strict").exit_code == 1
    (shop / "bad.fdix").write_bytes(make_package(edd=EDD.replace("TYPE DOUBLE", "TYPE TRIPLE", 1)))
    bad = run("check", "bad.fdix")
    assert bad.exit_code == 1
    assert "/edd/device.ddl:" in bad.output
    assert "TRIPLE" in bad.output


def test_check_takes_a_source_folder_that_does_not_build(shop: Path) -> None:
    # Its author has no package to look at: build stops at the first mistake and writes nothing.
    (shop / "thing").mkdir()
    for name, content in package_files(edd=EDD.replace("HANDLING READ;", "HANDLING RAED;")).items():
        (shop / "thing" / name).write_bytes(content)
    checked = run("check", "thing")
    assert checked.exit_code == 1
    assert checked.output.count("[edd.handling]") == EDD.count("HANDLING READ;") > 1
    (shop / "thing" / "device.ddl").write_text(EDD, encoding="utf-8")
    assert run("check", "thing").exit_code == 0


def test_check_writes_json_for_programs(shop: Path) -> None:
    document = json.loads(run("check", "thing.fdix", "--json").output)
    assert document["good"] is True
    assert document["signature"]["state"] == "Unsigned"
    assert document["package"]["device_types"] == ["test_thing"]
    assert document["findings"][0]["rule"] == "signature.unsigned"
    assert json.loads(run("check", "thing.fdix", "--json", "--strict").output)["good"] is False


def test_what_sign_signs_check_trusts(shop: Path) -> None:
    done = sign("--chain", "middle.pem", "--out", "signed.fdix")
    assert done.exit_code == 0, done.output
    assert (shop / "thing.fdix").read_bytes() == make_package()
    checked = run("check", "signed.fdix")
    assert checked.exit_code == 0, checked.output
    assert "ValidWithWarnings: signed by Shop Packages (certified by Shop Middle)" in checked.output
    # Control: without the authority in between there is no path.
    sign("--out", "lonely.fdix")
    assert run("check", "lonely.fdix").exit_code == 1
    assert sorted(path.name for path in shop.glob("*.fdix*")) == ["lonely.fdix", "signed.fdix", "thing.fdix"]


def test_sign_replaces_the_file_when_no_other_is_named(shop: Path) -> None:
    assert sign().exit_code == 0
    report = verify(Container.read((shop / "thing.fdix").read_bytes()), Trust(now=SystemClock().now()))
    assert [entry.signer for entry in report.signatures] == ["Shop Packages"]


def test_a_key_with_a_password(shop: Path) -> None:
    key = ec_key("shop").private_bytes(PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (shop / "maker.key").write_bytes(key)
    (shop / "password").write_text("secret\n", encoding="utf-8")
    refused = sign()
    assert isinstance(refused.exception, ConfigurationError)
    assert sign("--password-file", "password").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--key", "other.key", "--certificate", "maker.pem"], "does not belong to the certificate"),
        (["--key", "none.key", "--certificate", "maker.pem"], "No such file"),
        (["--key", "maker.pem", "--certificate", "maker.pem"], "not a private key"),
        (["--key", "maker.key", "--certificate", "maker.key"], "not a certificate"),
        (["--key", "maker.key", "--certificate", "maker.pem", "--time-stamp-command", "false"], "no time stamp"),
        (["--key", "maker.key", "--certificate", "maker.pem", "--time-stamp-command", "true"], "wrote 0 bytes"),
        (["--key", "maker.key", "--certificate", "maker.pem", "--out", "no/such/folder"], "cannot be written"),
    ],
    ids=["wrong-key", "no-key", "key-is-a-certificate", "certificate-is-a-key", "stamp-fails", "no-stamp", "no-folder"],
)
def test_sign_refuses_and_leaves_the_file_alone(shop: Path, words: list[str], said: str) -> None:
    refused = run("sign", "thing.fdix", *words)
    assert isinstance(refused.exception, IntegrationError)
    assert said in refused.exception.text
    assert (shop / "thing.fdix").read_bytes() == make_package()
