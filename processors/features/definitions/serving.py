"""Feature specs: lookups and functions put together, from what a record brings to what is served."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from processors.features.definitions.faults import Place, WrongDefinition, written_at
from processors.features.definitions.functions import FeatureFunction
from processors.features.definitions.lookups import FeatureLookup, OtherTable
from processors.features.definitions.names import REQUEST_TIME
from processors.features.definitions.sentences import Sentence, WrongSentence
from processors.features.definitions.tables import FeatureTable, check_name

__all__ = ["Feature", "FeatureFunction", "FeatureLookup", "FeatureSpec", "Stage"]

Feature = FeatureLookup | FeatureFunction


@dataclass(frozen=True, slots=True)
class Stage:
    """Features that can be computed together."""

    lookups: tuple[FeatureLookup, ...]
    functions: tuple[FeatureFunction, ...]


@dataclass(frozen=True, eq=False)
class FeatureSpec:
    """What is served under one name: a directed graph from inputs over lookups and functions to outputs.

    Args:
        name: Of its endpoint: lower-case letters, digits and underscores.
        features: Lookups and functions, in any order; each may use what others make.
        exclude: Outputs that are needed inside only.
        says: Sentences for answers, with names of values and their ages in braces; one whose values are not all
            there is not said.
        description: For people.

    Raises:
        WrongDefinition: If it cannot work; tells where it was written and what to do.

    Example:
        >>> def greeting(customer: str) -> str:
        ...     return f"Hello {customer}"
        >>> def shout(greeting: str) -> str:
        ...     return greeting.upper()
        >>> spec = FeatureSpec("hello", [FeatureFunction(shout, "shouted"), FeatureFunction(greeting, "greeting")])
        >>> spec.inputs, spec.outputs, [stage.functions[0].output_name for stage in spec.stages]
        (('customer',), ('shouted', 'greeting'), ['greeting', 'shouted'])
    """

    name: str
    features: Sequence[Feature]
    exclude: Sequence[str] = ()
    says: Sequence[str] = ()
    description: str = ""
    place: Place = field(default_factory=written_at, kw_only=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot work, and work the order out."""
        check_name("feature spec", self.name, self.place)
        self._check_lists()
        self._check_known("exclude", self.exclude, self.makers)
        _ = self.stages, self.sentences  # now, or a cycle would be told when somebody asks

    @cached_property
    def makers(self) -> Mapping[str, Feature]:
        """Who makes each output, those that are excluded too, in the order they were written."""
        makers: dict[str, Feature] = {}
        for one in self.features:
            for name in one.outputs:
                if name == REQUEST_TIME:
                    raise self.wrong(f"{one} makes {name!r}, which every spec has", "Give it another name.")
                if name in makers:
                    remedy = "Rename one of them: rename={...} of a lookup, output_name of a function."
                    raise self.wrong(f"{name!r} is made twice, by {makers[name]} and by {one}", remedy)
                makers[name] = one
        return makers

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """Its features in the order they can be computed: those of a stage need only what stages before it make."""
        return tuple(
            Stage(
                tuple(one for one in stage if isinstance(one, FeatureLookup)),
                tuple(one for one in stage if isinstance(one, FeatureFunction)),
            )
            for stage in self._order()
        )

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """What it says, taken apart."""
        return tuple(self._sentence(text) for text in self.says)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """What a record must bring: all that nobody makes."""
        needed = dict.fromkeys(name for one in self.features for name in one.inputs)
        return tuple(name for name in needed if name not in self.makers and name != REQUEST_TIME)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The inputs that no function has a default for."""
        keys = {name for one in self.lookups for name in one.inputs}
        arguments = (one for function in self.functions.values() for one in function.parameters)
        needed = keys | {one.source for one in arguments if not one.optional}
        return tuple(name for name in self.inputs if name in needed)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """What is served."""
        return tuple(name for name in self.makers if name not in self.exclude)

    @cached_property
    def lookups(self) -> tuple[FeatureLookup, ...]:
        """Its lookups."""
        return tuple(one for one in self.features if isinstance(one, FeatureLookup))

    @cached_property
    def functions(self) -> Mapping[str, FeatureFunction]:
        """Its functions by their outputs."""
        return {one.output_name: one for one in self.features if isinstance(one, FeatureFunction)}

    @cached_property
    def looked_up(self) -> Mapping[tuple[FeatureLookup, ...], tuple[str, ...]]:
        """Lookups, and the values that tell of their rows alone; what rests on no lookup is not in it."""
        rests: dict[str, tuple[FeatureLookup, ...]] = {}
        for stage in self.stages:
            for lookup in stage.lookups:
                rests |= dict.fromkeys(lookup.outputs, (lookup,))
            for function in stage.functions:
                inner = (lookup for source in function.inputs for lookup in rests.get(source, ()))
                rests[function.output_name] = tuple(dict.fromkeys(inner))
        found: dict[tuple[FeatureLookup, ...], list[str]] = {}
        for name, lookups in rests.items():
            found.setdefault(lookups, []).append(name)
        return {lookups: tuple(names) for lookups, names in found.items() if lookups}

    def check_tables(self, tables: Iterable[FeatureTable | OtherTable]) -> None:
        """Hold its lookups to all tables that are defined; call it once they are known.

        Raises:
            WrongDefinition: If a lookup names a table nobody defines, or one that does not fit.
        """
        known = {one.name: one for one in tables}
        for lookup in self.lookups:
            if lookup.table_name not in known:
                told = ", ".join(known) or "none"
                what = f"{lookup}: there is no such table in the module"
                raise WrongDefinition(what, f"Tables: {told}.", lookup.place)
            lookup.check(known[lookup.table_name])

    def wrong(self, what: str, remedy: str) -> WrongDefinition:
        """Say what is wrong with it."""
        return WrongDefinition(f"feature spec {self.name!r}: {what}", remedy, self.place)

    def _check_lists(self) -> None:
        if isinstance(self.features, FeatureLookup | FeatureFunction) or not self.features:
            raise self.wrong("it has no list of features", "Write features=[FeatureLookup(...), FeatureFunction(...)].")
        for one in self.features:
            if not isinstance(one, FeatureLookup | FeatureFunction):
                raise self.wrong(f"{one!r} is no feature", "Use FeatureLookup(...) or FeatureFunction(...).")
        for name, told in (("exclude", self.exclude), ("says", self.says)):
            if isinstance(told, str):
                raise self.wrong(f"{name} is one text, not a list", f"Write {name}=[{told!r}].")

    def _order(self) -> tuple[tuple[Feature, ...], ...]:
        places = {name: self._place(one) for name, one in self.makers.items()}
        edges = {
            place: {places[name] for name in one.inputs if name in places} for place, one in enumerate(self.features)
        }
        sorter = TopologicalSorter(edges)
        try:
            sorter.prepare()
        except CycleError as error:
            told = " needs ".join(str(self.features[place]) for place in reversed(error.args[1]))
            raise self.wrong(f"a cycle: {told}", "Bind one of them to another input.") from error
        stages = []
        while sorter.is_active():
            ready = sorted(sorter.get_ready())
            stages.append(tuple(self.features[place] for place in ready))
            sorter.done(*ready)
        return tuple(stages)

    def _place(self, feature: Feature) -> int:
        return next(place for place, one in enumerate(self.features) if one is feature)

    def _sentence(self, text: str) -> Sentence:
        try:
            sentence = Sentence.parse(text)
        except WrongSentence as error:
            raise self.wrong(f"says: {error.what}", error.remedy) from error
        self._check_known("says", sentence.names, (*self.inputs, *self.makers))
        for name in sentence.aged:
            if not any(name in names for names in self.looked_up.values()):
                raise self.wrong(f"says: {{{name}.age}}: it rests on no lookup, so it has no age", "Leave the age out.")
        return sentence

    def _check_known(self, where: str, names: Iterable[str], known: Iterable[str]) -> None:
        told = tuple(known)
        unknown = next((name for name in names if name not in told), None)
        if unknown is not None:
            raise self.wrong(f"{where}: there is no {unknown!r}", f"There is {', '.join(told)}.")
