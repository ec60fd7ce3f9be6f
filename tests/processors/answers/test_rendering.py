from processors.answers.parts import Marker, Quoted, Said, Sentence
from processors.answers.rendering import rendered


def test_pieces_around_a_marker_that_became_nothing_do_not_join_to_another():
    sentence = Sentence((Said("see ["), Marker(9), Said("2] and "), Quoted("this"), Marker(1)))
    assert rendered(sentence, {1: [], 4: ["1"]}) == 'see (2) and "this"[1]'


def test_one_quote_cited_twice_has_one_marker():
    assert rendered(Sentence((Said("So "), Marker(3), Said("."))), {1: ["2", "2"]}) == "So [2]."
