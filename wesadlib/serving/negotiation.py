"""What a request says of forms, and its body within bounds."""

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from wesadlib.serving.wire import CONTENT_TYPES, Form


def request_form(request: Request) -> Form:
    """The form that the body is said to have.

    Raises
    ------
    HTTPException
        415 where that is none of ours.
    """
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    for form, content_type in CONTENT_TYPES.items():
        if sent == content_type and encoding == "identity":
            return form
    allowed = " or ".join(f"`content-type: {content_type}`" for content_type in CONTENT_TYPES.values())
    raise HTTPException(415, f"Windows are sent as JSON or MessagePack, uncompressed: say so with {allowed}.")


def answer_form(request: Request) -> Form:
    """The form that the request prefers for its answer; JSON where it does not mind.

    Raises
    ------
    HTTPException
        406 where it takes none of ours.
    """
    accepted = _weights(",".join(request.headers.getlist("accept")) or "*/*")
    ranks = {}
    for form, content_type in CONTENT_TYPES.items():
        # The more precisely a type is named, the more its weight counts; of equal weights the one named more precisely.
        names = (content_type, f"{content_type.partition('/')[0]}/*", "*/*")
        ranks[form] = next(((accepted[name], -k) for k, name in enumerate(names) if name in accepted), (0.0, 0))
    best = max(ranks, key=ranks.__getitem__)
    if ranks[best][0] > 0:
        return best
    raise HTTPException(406, f"Answers come as {' or '.join(CONTENT_TYPES.values())}; this request accepts neither.")


def _weights(accept: str) -> dict[str, float]:
    weights = {}
    for entry in accept.split(","):
        name, *parameters = (part.strip().lower() for part in entry.split(";"))
        weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            weights[name] = float(weight)
        except ValueError:
            weights[name] = 0.0
    return weights


async def read_body(request: Request, most_mb: float) -> bytes:
    """Read a body and refuse it as soon as it is, or says that it will be, longer than `most_mb` MiB.

    Raises
    ------
    HTTPException
        413 where it is longer; 400 where the sender is gone before its end.
    """
    chunks, size = [], 0
    announced = request.headers.get("content-length", "")
    length = int(announced) if announced.isdecimal() else 0
    too_long = HTTPException(413, f"A body of this kind has at most {most_mb:g} MiB.", {"connection": "close"})
    if length > most_mb * 2**20:
        raise too_long
    try:
        async for chunk in request.stream():
            chunks.append(chunk)
            size += len(chunk)
            if size > most_mb * 2**20:
                raise too_long
    except ClientDisconnect:
        raise HTTPException(400, "The request ended before its body did.") from None
    return b"".join(chunks)
