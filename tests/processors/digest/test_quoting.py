from processors.digest.product import BASE, HEAD, Folded, Product
from processors.digest.quoting import quoted_reviews
from processors.language.claims import split_claims
from tests.processors.fake_encoder import fold, review

TEXT = "The battery caught fire and burned my hand. Great value for the money."


def parts(product: Product) -> dict[str, list[str]]:
    return {name: quoted_reviews(name, state) for name, state in product.dump().items()}


def test_every_quote_in_a_state_names_its_review_and_a_forgotten_one_has_none():
    told = review(1, TEXT, rating=1)
    product = Product("p")
    fold(product, [review(0, "The zipper feels rather stiff today.", rating=1), told])
    before = parts(product)
    assert "r0" in before["negative"]
    assert "r1" in before["negative"]
    assert before[HEAD].count("r1") >= 2  # of its price, and as a danger
    assert before[BASE] == []
    product.forget(Folded(told[0], 1, told[1]), split_claims(TEXT), list)
    assert all("r1" not in quotes for quotes in parts(product).values())
    assert "r0" in parts(product)["negative"]
