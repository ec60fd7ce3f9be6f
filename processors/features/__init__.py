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
from processors.features.definitions.functions import FeatureFunction
from processors.features.definitions.lookups import FeatureLookup
from processors.features.definitions.serving import FeatureSpec
from processors.features.definitions.synced import Env, SyncedTable
from processors.features.definitions.tables import Events, FeatureTable, Reviews

__all__ = [
    "Count",
    "DecayedRate",
    "Distinct",
    "Env",
    "Events",
    "FeatureFunction",
    "FeatureLookup",
    "FeatureSpec",
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
    "SyncedTable",
    "WrongDefinition",
]
