"""The unified social credit code of GB 32100, which is the taxpayer id."""

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
MODULUS = 31
LENGTH = 18
WEIGHTS = tuple(pow(3, place, MODULUS) for place in range(LENGTH - 1))


def check_digit(body: str) -> str:
    """Return the 18th character for the first 17; raise ValueError outside the alphabet."""
    digits = [ALPHABET.index(character) for character in body]
    total = sum(digit * weight for digit, weight in zip(digits, WEIGHTS, strict=True))
    return ALPHABET[(MODULUS - total % MODULUS) % MODULUS]


def is_taxpayer_id(text: str) -> bool:
    """Say whether a text has 18 characters of the alphabet and the right check digit."""
    if len(text) != LENGTH or any(character not in ALPHABET for character in text):
        return False
    return check_digit(text[:-1]) == text[-1]
