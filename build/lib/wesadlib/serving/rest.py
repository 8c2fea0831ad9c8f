"""A person's rest as a value: a few means, signed and dated, that whoever is answered by it brings along."""

import secrets
from hashlib import sha256

import msgpack
import numpy as np
from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer
from starlette.exceptions import HTTPException

from wesadlib.serving.schemas import MAX_TOKEN

#: The header in which later calls bring it.
HEADER = "Wesad-Rest"


class RestSigner:
    """Sign people's rest, and read what was signed with the same key, by default a random one, at most so long ago."""

    def __init__(self, key: str | None = None, age_h: float = 24.0):
        self.age_h = age_h
        options = {"key_derivation": "hmac", "digest_method": sha256}
        self._serializer = URLSafeTimedSerializer(
            key or secrets.token_hex(32), "wesad rest", msgpack, signer_kwargs=options
        )

    def sign(self, values: np.ndarray, model_version: str) -> str:
        """Sign a person's rest (value,), for the model that it was made by."""
        return self._serializer.dumps([model_version, np.asarray(values, "<f4").tobytes()]).decode()

    def read(self, token: str, model_version: str) -> np.ndarray:
        """Read a signed rest; raises HTTPException 401 or 409 with a sentence where it cannot be used."""
        try:
            if len(token) > MAX_TOKEN:
                raise BadData("too long")
            version, values = self._serializer.loads(token, max_age=self.age_h * 3600)
        except SignatureExpired:
            detail = f"This rest is older than {self.age_h:g} h; send the minutes at rest again."
            raise HTTPException(401, detail) from None
        except BadData:
            detail = "This rest was not signed by this server, or was altered; send the minutes at rest again."
            raise HTTPException(401, detail) from None
        if version != model_version:
            raise HTTPException(409, "This rest was made for another model version; send the minutes at rest again.")
        return np.frombuffer(values, "<f4")
