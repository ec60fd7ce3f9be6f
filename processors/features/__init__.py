"""What a user's feature module imports: ``from processors.features import FeatureTable, Events, Count``."""

from processors.features.definitions.aggregations import (
    Count,
    DecayedRate,
    Distinct,
    First,
    Last,
    Max,
    Mean,
    Min,
    Quantile,
    Ratio,
    Sum,
)
from processors.features.definitions.faults import WrongDefinition
from processors.features.definitions.tables import Events, FeatureTable, Reviews

__all__ = [
    "Count",
    "DecayedRate",
    "Distinct",
    "Events",
    "FeatureTable",
    "First",
    "Last",
    "Max",
    "Mean",
    "Min",
    "Quantile",
    "Ratio",
    "Reviews",
    "Sum",
    "WrongDefinition",
]
