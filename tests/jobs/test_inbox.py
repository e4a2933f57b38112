"""The inbox of a lesson takes webhooks and hands them out one by one."""

import urllib.request
from urllib.error import HTTPError

import pytest

from finetune_kit import inbox


@pytest.fixture
def box():
    box = inbox()
    yield box
    box.close()


def post(box, body, **headers):
    request = urllib.request.Request(box.url, data=body, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as reply:
        return reply.status


def test_what_is_sent_can_be_read_once_with_its_headers(box):
    assert post(box, b'{"id": 1}', **{"Webhook-Id": "evt_1"}) == 200
    letter = box.wait(60)
    assert letter.body == b'{"id": 1}'
    assert letter.headers["webhook-id"] == "evt_1"
    with pytest.raises(TimeoutError, match=r"No webhook within 0\.01 s") as told:
        box.wait(0.01)
    assert "did not run to its end" in str(told.value)
    assert "server was started anew" in str(told.value)


def test_a_flood_is_turned_away(box):
    with pytest.raises((HTTPError, OSError)):
        post(box, bytes(2_000_000))
    assert "0 webhooks" in repr(box)


def test_a_closed_inbox_can_be_closed_again(box):
    box.close()
    box.close()
