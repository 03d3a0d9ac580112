import msgspec
from anthropic.types import ModelInfo
from openai.types import Model

from tidegate.wire.model_listing import read_model_listing
from tidegate.wire.models import encode_model, encode_models


def test_one_shape_is_read_by_both_sdks() -> None:
    body = encode_model("big")
    # As the SDK reads answers: what else it knows of a model it can do without.
    theirs = ModelInfo.construct(**msgspec.json.decode(body))
    assert (theirs.id, theirs.display_name, theirs.type) == ("big", "big", "model")
    assert theirs.created_at.year == 1970
    assert Model.model_validate_json(body, strict=True).owned_by == "tidegate"


def test_the_list_is_one_page_of_both_dialects() -> None:
    listed = msgspec.json.decode(encode_models(("big", "small")))
    assert (listed["object"], listed["has_more"]) == ("list", False)
    assert (listed["first_id"], listed["last_id"]) == ("big", "small")
    assert read_model_listing(encode_models(("big",))).next_page is None
    assert msgspec.json.decode(encode_models(()))["first_id"] is None
