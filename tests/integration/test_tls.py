"""TLS with a certificate from files, renewed without a restart."""

import asyncio
import os
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from conftest import ADMIN_KEY
from rebate_monitor.api.service import Service
from rebate_monitor.server import listening
from rebate_monitor.settings import Settings
from rebate_monitor.tls import Certificate, CertificateError


@pytest.fixture
def settings() -> Settings:
    """Return settings by which any free port is listened on."""
    return Settings(admin_key=ADMIN_KEY, port=0)


def make(folder: Path, name: str, *more: str) -> tuple[Path, Path]:
    """Make a certificate for localhost that vouches for itself; return it and its key."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    told = ["-subj", f"/O={name}/CN=localhost", "-addext", "subjectAltName=DNS:localhost", *more]
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-keyout", str(key), "-out", str(certificate), "-days", "2", *told),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def touched(*files: Path) -> None:
    """Let files look changed, however coarse the clock of the file system is."""
    for file in files:
        later = file.stat().st_mtime_ns + 10**9
        os.utime(file, ns=(later, later))


async def organization(port: int, certificate: Path) -> str:
    """Return whose certificate the service shows to somebody who trusts this one."""
    context = ssl.create_default_context(cafile=str(certificate))
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    subject = dict(name for (name,) in writer.get_extra_info("peercert")["subject"])
    writer.close()
    del reader
    return str(subject["organizationName"])


async def test_it_speaks_tls_and_takes_a_renewed_certificate(
    service: Service, tmp_path: Path
) -> None:
    """Nothing is restarted; a pair that does not fit is left, and the old one goes on."""
    files = make(tmp_path, "first", "-nodes")
    certificate = Certificate(*files)
    async with listening(replace(service, certificate=certificate)) as port:
        context = ssl.create_default_context(cafile=str(files[0]))
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"https://localhost:{port}/healthz", ssl=context) as response,
        ):
            status, headers = response.status, response.headers
        names = [await organization(port, files[0])]
        unchanged = certificate.renew()
        make(tmp_path, "second", "-nodes")
        touched(*files)
        renewed = certificate.renew()
        names.append(await organization(port, files[0]))
        trusted = tmp_path / "trusted.crt"
        trusted.write_bytes(files[0].read_bytes())
        files[1].write_text("no key", "utf-8")
        touched(*files)
        broken = certificate.renew()
        names.append(await organization(port, trusted))

    assert (200, "max-age=31536000") == (status, headers["Strict-Transport-Security"])
    assert (False, True, False) == (unchanged, renewed, broken)
    assert ["first", "second", "second"] == names


async def test_plain_http_is_nothing_then(service: Service, tmp_path: Path) -> None:
    """Nobody is answered in the clear; TLS is 1.2 or later."""
    certificate = Certificate(*make(tmp_path, "first", "-nodes"))
    async with (
        listening(replace(service, certificate=certificate)) as port,
        aiohttp.ClientSession() as session,
    ):
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://localhost:{port}/healthz")
    assert ssl.TLSVersion.TLSv1_2 is certificate.context.minimum_version


@pytest.mark.parametrize("how", ["passphrase", "no key", "another's key"])
def test_what_cannot_be_used_is_told(tmp_path: Path, how: str) -> None:
    """Both files are named; nobody is asked for anything."""
    if how == "passphrase":
        files = make(tmp_path, "first", "-passout", "pass:a passphrase made up")
    else:
        files = make(tmp_path, "first", "-nodes")
        kept = files[0].read_bytes()
        make(tmp_path, "second", "-nodes")
        files[0].write_bytes(kept)
    if how == "no key":
        files[1].write_text("nothing", "utf-8")
    with pytest.raises(CertificateError) as refused:
        Certificate(*files)

    assert str(files[1]) in str(refused.value) or "passphrase" in str(refused.value)
    assert "made up" not in str(refused.value)
