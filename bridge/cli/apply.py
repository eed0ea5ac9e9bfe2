"""stub"""


def apply() -> None: ...
