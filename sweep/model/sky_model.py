"""A model of the sky: its components in order, and the parameters that they bring."""

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

    Raises:
        ValueError: nothing is fitted, or a name stands twice.
    """

    fixed: tuple[FixedComponent, ...]
    components: tuple[Component, ...]

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

    def members(self, component: int) -> tuple[int, ...]:
        """Numbers of the parameters of a component."""
        return tuple(i for i, c in enumerate(self.component_of) if c == component)

    def component(self, name: str) -> Component:
        """The fitted component of a name.

        Raises:
            KeyError: there is none.
        """
        return {c.name: c for c in self.components}[name]
