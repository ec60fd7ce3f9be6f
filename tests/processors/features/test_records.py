"""A record's name within its topic is its own."""

from hypothesis import given
from hypothesis import strategies as st

from processors.features.records import joined_id

IDS = st.text(st.sampled_from("ab/\\"), min_size=1, max_size=6)


@given(IDS, IDS, IDS, IDS)
def test_two_reviews_never_share_a_name(product, review, other_product, other_review):
    same = joined_id(product, review) == joined_id(other_product, other_review)
    assert same == ((product, review) == (other_product, other_review))
