"""What somebody means by a word: the whole name first, then the end of one alone; else an error that helps."""

import pytest

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import Node, graph_of_nodes
from standfast.depmap.lookup import find_name, find_node

GRAPH = graph_of_nodes(
    [
        Node(name="checkout", causes=("region:aws/us-east-1",)),
        Node(name="shop/cart", causes=("region:aws/eu-west-1", "region:gcp/eu-west-1")),
        Node(name="aws:dynamodb/sa-east-1", causes=("region:aws/sa-east-1",)),
        Node(name="aws:dynamodb/us-east-2"),
        Node(name="us-east-2", causes=("dns:aws",)),
    ]
)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("checkout", "checkout"),
        ("cart", "shop/cart"),
        ("us-east-1", "region:aws/us-east-1"),
        ("aws/us-east-1", "region:aws/us-east-1"),
        ("sa-east-1", "region:aws/sa-east-1"),
        ("dynamodb/sa-east-1", "aws:dynamodb/sa-east-1"),
        ("us-east-2", "us-east-2"),
        ("aws", "dns:aws"),
    ],
)
def test_a_word_means_the_whole_name_first_and_then_the_end_of_one_alone(word: str, name: str) -> None:
    assert find_name(GRAPH, word) == name


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("eu-west-1", '"eu-west-1" may be any of these: region:aws/eu-west-1, region:gcp/eu-west-1'),
        ("chekout", 'there is no node or shared cause "chekout" - did you mean "checkout"?'),
        ("us-east-11", 'there is no node or shared cause "us-east-11" - did you mean "us-east-2"?'),
        ("cartt", 'there is no node or shared cause "cartt" - did you mean "shop/cart"?'),
        ("zebra", 'there is no node or shared cause "zebra"'),
        ("", 'there is no node or shared cause ""'),
    ],
)
def test_what_means_nothing_or_several_is_told_with_what_could_be_meant(word: str, said: str) -> None:
    with pytest.raises(ModelError) as raised:
        find_name(GRAPH, word)
    assert str(raised.value) == said


def test_a_shared_cause_is_no_node() -> None:
    with pytest.raises(ModelError, match='there is no node "dns:aws"'):
        find_node(GRAPH, "dns:aws")
