"""Lists with a cursor: `after`, `limit`, `has_more`; newest first."""

import re
from collections.abc import Callable
from sqlite3 import Row
from typing import Any, NamedTuple

from starlette.requests import Request

from finetune_kit.localapi import keys
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.file_rules import not_one_of
from finetune_kit.localapi.job_rules import refuse_metadata
from finetune_kit.localapi.kit import kit_of
from finetune_kit.localapi.requests import integer_in


class Page(NamedTuple):
    data: list[dict[str, Any]]
    has_more: bool

    def reply(self) -> dict[str, Any]:
        return {"object": "list", "data": self.data, "has_more": self.has_more}

    def reply_with_ids(self) -> dict[str, Any]:
        """Some lists also name their first and last item."""
        ids = [item["id"] for item in self.data] or [None]
        return self.reply() | {"first_id": ids[0], "last_id": ids[-1]}


def page(
    request: Request,
    *,
    table: str,
    where: str,
    values: tuple[Any, ...],
    shown: Callable[[Row], dict[str, Any]],
    default_limit: int,
    max_limit: int,
    ascending: bool = False,
) -> Page:
    """One page of the rows of `table` that fulfil `where`, in order of creation.

    `table` and `where` are our own SQL; everything of the client is in `values`.
    """
    store = kit_of(request).store
    limit = _limit(request, default_limit, max_limit)
    if after := request.query_params.get("after"):
        row = store.one(
            f"SELECT seq FROM {table} WHERE {where} AND id = ?", *values, after
        ) or store.one(
            "SELECT seq FROM gone WHERE owner = ? AND id = ?",
            keys.owner(request),
            after,
        )
        if row is None:
            raise ApiError(
                400,
                f"Invalid 'after': no item with the id '{after}' in this list. Use the "
                "id of the last item of the previous page.",
                param="after",
                code="invalid_value",
            )
        where += f" AND seq {'>' if ascending else '<'} ?"
        values = (*values, row["seq"])
    order = "ASC" if ascending else "DESC"
    rows = store.all(
        f"SELECT * FROM {table} WHERE {where} ORDER BY seq {order} LIMIT ?",
        *values,
        limit + 1,
    )
    return Page([shown(row) for row in rows[:limit]], len(rows) > limit)


def ascending(
    request: Request, default: str, words: tuple[str, str] = ("asc", "desc")
) -> bool:
    """Does `order` ask for the oldest first? `words` are its two values."""
    order = request.query_params.get("order", default)
    if order not in words:
        raise not_one_of(order, words, "order")
    return order == words[0]


def metadata_filter(request: Request, table: str) -> tuple[str, tuple[str, ...]]:
    """SQL and its values for `metadata[key]=value` and `metadata=null` of a query."""
    where, values = "", list[str]()
    asked = request.query_params
    if asked.get("metadata") == "null":
        where = " AND metadata IS NULL"
    pairs = {
        name.removeprefix("metadata[").removesuffix("]"): value
        for name, value in asked.items()
        if name.startswith("metadata[") and name.endswith("]")
    }
    refuse_metadata(pairs)
    for key, value in pairs.items():
        where += (
            f" AND EXISTS (SELECT 1 FROM json_each({table}.metadata) AS pair"
            " WHERE pair.key = ? AND pair.value = ?)"
        )
        values += [key, value]
    return where, tuple(values)


def _limit(request: Request, default: int, maximum: int) -> int:
    text = request.query_params.get("limit")
    if text is None:
        return default
    if not re.fullmatch("-?[0-9]{1,18}", text):
        raise ApiError(
            400,
            "Invalid type for 'limit': expected an integer, but got a string instead.",
            param="limit",
            code="invalid_type",
        )
    limit = int(text)
    integer_in(limit, "limit", 1, maximum)
    return limit
