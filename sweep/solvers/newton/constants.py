"""The numbers of the search that users do not set."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Constants:
    """Other values may end in other minima: whoever changes one raises `version`.

    Attributes:
        version: `solver.search`, part of the identity of an experiment.
        rounding: share of d^T d in which differences of chi_square are lost.
        lost_steps: a descent ends after more steps in a row than these whose decrease is below
            rounding. The gradient still falls in them, by a tenth a step where a curvature is weak.
        enough: share of its predicted decrease that a step must reach to be taken.
        poor, good, very_good: shares from which damping is raised, lowered and lowered more.
        first_damping: of Levenberg and Marquardt, in units of the Gauss-Newton
            diagonal, or of what the width of the box gives where that is more.
        least_raised_damping: a step that was poor raises the damping to ten times this at least.
        weak_gauss_newton: a curvature below this share of the Gauss-Newton one is raised to it.
        weak_box: and one below this share of what the width of the box gives, where the data say
            nothing.
        solutions: cap on the solutions of a step, each with the parameters fixed that left the box.
        cg_steps: cap on the conjugate gradients of a solution.
        loosest_cg, tightest_cg: ends of their tolerance, which follows the norm of the gradient.
        most_eliminated: share of a diagonal that elimination may take from its preconditioner.
        jump: a jump lowers what is minimised by more than this,
        jump_roundings: and by more than so many roundings.
    """

    version: int
    rounding: float
    lost_steps: int
    enough: float
    poor: float
    good: float
    very_good: float
    first_damping: float
    least_raised_damping: float
    weak_gauss_newton: float
    weak_box: float
    solutions: int
    cg_steps: int
    loosest_cg: float
    tightest_cg: float
    most_eliminated: float
    jump: float
    jump_roundings: float


CONSTANTS = Constants(
    version=2,
    rounding=1e-16,
    lost_steps=30,
    enough=1e-4,
    poor=0.25,
    good=0.75,
    very_good=0.9,
    first_damping=1e-5,
    least_raised_damping=1e-2,
    weak_gauss_newton=0.1,
    weak_box=1e-6,
    solutions=8,
    cg_steps=200,
    loosest_cg=1e-2,
    tightest_cg=1e-6,
    most_eliminated=0.9,
    jump=1e-4,
    jump_roundings=1e3,
)
