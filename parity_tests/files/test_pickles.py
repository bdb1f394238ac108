"""What a pickle would call, read off and not run."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netparity.files.pickles import called_names
from parity_tests.support.backends import require
from parity_tests.support.files import Runs


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_names_are_found_in_every_protocol(protocol: int, tmp_path: Path) -> None:
    content = pickle.dumps([OrderedDict(), Runs(tmp_path / "made"), OrderedDict(a=1)], protocol)
    assert {"collections.OrderedDict", "pathlib.PosixPath"} <= set(called_names(content))
    assert any(name.endswith((".touch", ".getattr")) for name in called_names(content))
    assert list(tmp_path.iterdir()) == []


def test_a_name_whose_words_are_remembered_from_before() -> None:
    """``os`` and ``system`` are pushed as texts, put into the memo, and come from there."""
    content = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93."
    assert called_names(content) == ["os.system"]


def test_an_instruction_of_the_first_protocol() -> None:
    assert called_names(b"(S'true'\nios\nsystem\n.") == ["os.system"]


@pytest.mark.parametrize("value", [None, {"a": [1, 2.5, "os system"]}, b"os\nsystem"])
def test_plain_values_call_nothing(value: Any) -> None:
    assert called_names(pickle.dumps(value)) == []


@pytest.mark.parametrize("new_format", [True, False])
def test_a_state_dict_names_what_makes_tensors(new_format: bool) -> None:
    require("torch")
    import torch

    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(2, 3)}, buffer, _use_new_zipfile_serialization=new_format)
    names = called_names(buffer.getvalue())
    assert "torch._utils._rebuild_tensor_v2" in names
    assert all(name.startswith(("torch.", "collections.")) for name in names)


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x80\x04\x8c\xff", b"PK\x03\x04", b"once upon a time", bytes(100)])
def test_what_is_no_pickle_names_nothing(content: bytes) -> None:
    assert called_names(content) == []


def test_a_damaged_one_names_what_comes_before_the_damage() -> None:
    content = pickle.dumps([OrderedDict(), np.zeros(1000)], 2)
    assert "collections.OrderedDict" in called_names(content[:200])
