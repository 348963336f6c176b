"""The tables of a circular, in their order."""

from enum import StrEnum


class Section(StrEnum):
    """What a table is about; also its name in the CSV."""

    MEANS = "means"
    BEHIND = "behind"
    CITIES = "cities"
    OFFICES = "offices"
    CATEGORIES = "categories"
    REBATE_TYPES = "rebate_types"
    TREND = "trend"
    DISTRIBUTION = "distribution"
    STAGES = "stages"
    SUSPENSIONS = "suspensions"
    DATA_QUALITY = "data_quality"
