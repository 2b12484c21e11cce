from heliograph.link.topic import ANY, COMMAND, collector_topic, node_of, topic

NODE = "9f86d081884c7d65"


def test_the_node_of_every_topic_is_found_again() -> None:
    for key in (topic(NODE, COMMAND), topic(NODE, "blocks", "health"), collector_topic(NODE, "0" * 16)):
        assert node_of(key) == NODE


def test_keys() -> None:
    assert topic(ANY, COMMAND) == "heliograph/*/command"
    assert collector_topic(ANY, "abc") == "heliograph/*/collector/abc"
