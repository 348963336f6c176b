"""Tax authority codes: 1, six digits of the division, four more."""


def subtree_prefix(office: str) -> str:
    """Return what the codes of an office and all below it begin with.

    The pairs of zeros at the end of a code stand for what it does not narrow down:
    14300000000 is the province, 14301000000 a city, 14301810000 a county.
    """
    prefix = office
    while len(prefix) > 1 and prefix.endswith("00"):
        prefix = prefix[:-2]
    return prefix
