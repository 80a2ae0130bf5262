"""Keys that sign assertions, in the files that users have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

EMAIL: Final = "etl@project.iam.gserviceaccount.com"
KEY_ID: Final = "f572b396fae9206628714fb2ce00f72e94f2258f"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """Paths of private keys in PEM format, and the public keys that belong to them.

    :param other: path of an RSA key that no server knows
    :param folder: where more files may be put
    """

    rsa: str
    elliptic: str
    other: str
    rsa_public: Any
    elliptic_public: Any
    folder: Path

    def account(self, token_uri: str) -> str:
        """Write a Google service account's key file, and return its path.

        Its members: https://cloud.google.com/iam/docs/keys-create-delete
        """
        path = self.folder / f"account-{token_uri.rpartition(':')[2].replace('/', '-')}.json"
        account = {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": KEY_ID,
            "private_key": Path(self.rsa).read_text(),
            "client_email": EMAIL,
            "client_id": "103987654321",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/etl",
            "universe_domain": "googleapis.com",
        }
        path.write_text(json.dumps(account, indent=2))
        return str(path)

    def secrets(self) -> list[str]:
        """Return lines out of the private keys, none of which may be shown."""
        return [Path(path).read_text().splitlines()[3] for path in (self.rsa, self.other)]


def make_keys(folder: Path) -> SigningKeys:
    """Write new keys into a folder."""
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    elliptic = ec.generate_private_key(ec.SECP256R1())
    paths = {}
    for name, key in (
        ("rsa", rsa_key),
        ("elliptic", elliptic),
        ("other", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    ):
        data = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        paths[name] = str(folder / f"{name}.pem")
        Path(paths[name]).write_bytes(data)
    return SigningKeys(
        **paths, rsa_public=rsa_key.public_key(), elliptic_public=elliptic.public_key(), folder=folder
    )
