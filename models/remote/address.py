"""Where an OpenAI-compatible endpoint is, and the key that opens it.

Errors:
    UnusableEndpointError: the settings name no endpoint that could be called
"""

import httpx

KNOWN_QUESTIONS = frozenset({"api-version"})
"""What may stand behind the ``?`` of an address: HTTP libraries log it, so no key may."""


class UnusableEndpointError(ValueError):
    """Settings of an endpoint that cannot work."""


def read_address(text: str) -> httpx.URL:
    """Return the address of chat completions under an endpoint's address.

    Raises:
        UnusableEndpointError: If it is no web address, or holds a user name or a key.

    Example:
        >>> str(read_address("https://models.example.com/v1/"))
        'https://models.example.com/v1/chat/completions'
    """
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL as error:
        raise UnusableEndpointError(f"writer.url is no address ({error}); it looks like https://HOST/v1") from error
    if url.scheme not in {"http", "https"} or not url.host or "%" in url.host:
        raise UnusableEndpointError("writer.url is no web address; it looks like https://HOST/v1")
    if url.userinfo:
        raise UnusableEndpointError("writer.url holds a user name or a password; put the key in writer.api_key")
    if set(url.params) - KNOWN_QUESTIONS:
        raise UnusableEndpointError("writer.url has a query; leave it out, and put a key in writer.api_key")
    path = url.path.rstrip("/").removesuffix("/chat/completions")
    return url.copy_with(path=f"{path}/chat/completions", fragment=None)


def endpoint_name(address: httpx.URL) -> str:
    """Return what people call an endpoint: its address without the operation and the query.

    Example:
        >>> endpoint_name(read_address("http://127.0.0.1:8000/v1"))
        'http://127.0.0.1:8000/v1'
    """
    return str(address.copy_with(query=None)).removesuffix("/chat/completions")


def is_loopback(address: httpx.URL) -> bool:
    """Say whether an address is this machine's own.

    Example:
        >>> is_loopback(httpx.URL("http://[::1]:8000/v1")), is_loopback(httpx.URL("https://models.example.com"))
        (True, False)
    """
    return address.host in {"localhost", "::1"} or address.host.startswith("127.")


def read_key(text: str | None) -> str | None:
    """Return a key without the line break that a file leaves at its end; None for none.

    Raises:
        UnusableEndpointError: If no header can carry it. The key is not told.

    Example:
        >>> read_key("sk-1234\\n")
        'sk-1234'
    """
    key = (text or "").strip()
    if not all("!" <= character <= "~" for character in key):
        raise UnusableEndpointError(
            "writer.api_key has spaces, line breaks or letters no header can carry; copy the key alone"
        )
    return key or None
