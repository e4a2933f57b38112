"""The API's errors: one exception, one envelope (contract, section 4)."""

from collections.abc import Mapping

from starlette.responses import JSONResponse

_WRONG_KEY = (
    "Incorrect API key provided: {key}. You can find your API key at "
    "https://platform.openai.com/account/api-keys."
)
_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an "
    "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), "
    "or as the password field (with blank username) if you're accessing the API "
    "from your browser and are prompted for a username and password. You can obtain "
    "an API key from https://platform.openai.com/account/api-keys."
)
_LOCAL_KEY = (
    " (This is the local API of finetune-kit: its own key lies in {path}, and "
    "finetune_kit.connect() uses it for you.)"
)
_CLASS_KEY = (
    " (This is the local API of finetune-kit, served for a class: set OPENAI_API_KEY "
    "to the key on your hand-out, letter by letter.)"
)


QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. "
    "For more information on this error, read the docs: "
    "https://platform.openai.com/docs/guides/error-codes/api-errors."
)


class ApiError(Exception):
    """A refusal that the client can understand; raised anywhere, sent as JSON.

    `param` is the field of the request at fault, `code` the machine-readable
    reason; both may be null, as in the service.
    """

    def __init__(
        self,
        status: int,
        message: str,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, dict[str, str | None]]:
        """The envelope; all four fields are always present."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }

    def response(self) -> JSONResponse:
        return JSONResponse(self.body(), self.status, headers=self.headers)


def missing_key(key_file: str | None) -> ApiError:
    """`key_file`: where this computer's own key lies; None for other computers."""
    return ApiError(401, _NO_KEY + _where_keys_are(key_file))


def wrong_key(key: str, key_file: str | None) -> ApiError:
    """The key is shown masked, as the service does."""
    shown = f"{key[:6]}***{key[-3:]}" if len(key) > 12 else "***"
    message = _WRONG_KEY.format(key=shown) + _where_keys_are(key_file)
    return ApiError(401, message, code="invalid_api_key")


def _where_keys_are(key_file: str | None) -> str:
    return _LOCAL_KEY.format(path=key_file) if key_file else _CLASS_KEY


def unknown_url(method: str, path: str) -> ApiError:
    hint = ""
    for wrong in ("/v1/fine-tuning/", "/v1/fine_tunes"):
        if path.startswith(wrong):
            right = path.replace("fine-tuning", "fine_tuning")
            right = right.replace("fine_tunes", "fine-tunes")
            hint = f". (HINT: Perhaps you meant {right}?)"
    return ApiError(404, f"Invalid URL ({method} {path}){hint}")


def wrong_method(method: str, path: str, allow: str) -> ApiError:
    return ApiError(
        405,
        f"Not allowed to {method} on {path}. "
        "(HINT: Perhaps you meant to use a different HTTP method?)",
        code="method_not_supported",
        headers={"allow": allow} if allow else None,
    )


def too_large(limit: int) -> ApiError:
    """`limit` in bytes."""
    return ApiError(
        413,
        f"The request body is larger than this endpoint accepts ({limit:,} bytes). "
        "Split the data, or send less at once.",
        code="request_too_large",
    )


def quota(reason: str = "") -> ApiError:
    """It does not pass by waiting; `reason` is said behind the service's words."""
    return ApiError(
        429,
        f"{QUOTA} ({reason})" if reason else QUOTA,
        "insufficient_quota",
        code="insufficient_quota",
        headers={"x-should-retry": "false"},
    )


def unexpected(request_id: str) -> ApiError:
    """Our own fault: a bug. Never used for an input that could be foreseen."""
    return ApiError(
        500,
        "The server had an error while processing your request. The traceback is in "
        f"server.log of the workspace, next to the request id {request_id}.",
        type="server_error",
    )
