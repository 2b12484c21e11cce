from heliograph.link.dictionary import Role


def test_a_role_may_do_what_those_before_it_may() -> None:
    assert Role.ARCHIVE.rank < Role.OPERATOR.rank < Role.ADMIN.rank
