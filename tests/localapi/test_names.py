"""Names of tuned models (contract 2.7)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_kit.localapi import names


@pytest.mark.parametrize(
    ("suffix", "shown"),
    [
        (None, ""),
        ("custom_suffix", "custom_suffix"),
        ("My Latin, v2!", "my-latin-v2"),
        ("café  crème", "cafe-creme"),
        ("!!!", ""),
    ],
)
def test_a_suffix_is_sanitised(suffix, shown):
    name = names.fine_tuned_model("tinygpt", suffix, "Ajo5kvNY")
    assert name == f"ft:tinygpt:personal:{shown}:Ajo5kvNY"


@given(suffix=st.text(min_size=1, max_size=64))
def test_any_suffix_makes_a_name_that_fits_into_an_url(suffix):
    name = names.checkpoint("tinygpt", suffix, "Ajo5kvNY", 12)
    assert re.fullmatch(r"ft:tinygpt:personal:[a-z0-9_-]*:Ajo5kvNY:ckpt-step-12", name)
