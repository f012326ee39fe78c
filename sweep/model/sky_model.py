"""A model of the sky: its components in order, and the parameters that they bring."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from sweep.model.component import Component, FixedComponent
from sweep.model.factor import Factor
from sweep.model.parameter import SpectralParameter


@dataclass(frozen=True)
class SkyModel:
    """The columns of the mixing matrix; hashable, so that it is static under jit.

    Parameters have the order of the components and, within one, of its factors. Arrays with an
    axis `parameter` have this order.

    Attributes:
        fixed: components of a known spectrum, the CMB first.
        components: those whose spectrum is fitted.
        expanded_about: parameters whose start values `fixed` is made of; they are not fitted.

    Raises:
        ValueError: nothing is fitted, or a name stands twice.
    """

    fixed: tuple[FixedComponent, ...]
    components: tuple[Component, ...]
    expanded_about: tuple[SpectralParameter, ...] = ()

    def __post_init__(self) -> None:
        if not self.fixed or not self.components or not all(c.factors for c in self.components):
            raise ValueError("model: expected the CMB, and components with a factor at least")
        for names in (self.component_names, self.names):
            if len(set(names)) < len(names):
                raise ValueError(f"model: expected each name once, got {', '.join(names)}")

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """Of all components; each has one parameter, in their order."""
        return tuple(factor for c in self.components for factor in c.factors)

    @cached_property
    def parameters(self) -> tuple[SpectralParameter, ...]:
        """The spectral parameters."""
        return tuple(factor.parameter for factor in self.factors)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the parameters."""
        return tuple(p.name for p in self.parameters)

    @cached_property
    def component_of(self) -> tuple[int, ...]:
        """For every parameter the number of its component in `components`."""
        return tuple(i for i, c in enumerate(self.components) for _ in c.factors)

    @cached_property
    def component_names(self) -> tuple[str, ...]:
        """Of all components, those with a known spectrum first."""
        return tuple(c.name for c in (*self.fixed, *self.components))

    def least_bands(self, held: Collection[str] = ()) -> int:
        """How many different frequencies a fit takes at least.

        What the bands of a cell say of spectra is the space that the k fitted columns span, within
        the F - f dimensions that the f known ones leave: k (F - f - k) numbers. There must be one,
        and as many as the parameters of a component.

        Args:
            held: parameters that are fixed, or have a prior.
        """
        k = len(self.components)
        free = max(sum(self.names[i] not in held for i in self.members(c)) for c in range(k))
        return len(self.fixed) + k + max(1, -(-free // k))

    def members(self, component: int) -> tuple[int, ...]:
        """Numbers of the parameters of a component."""
        return tuple(i for i, c in enumerate(self.component_of) if c == component)

    def component(self, name: str) -> Component:
        """The fitted component of a name.

        Raises:
            KeyError: there is none.
        """
        return {c.name: c for c in self.components}[name]
