"""Names of the solvers that others have written, without what those import."""

UNBOUNDED = (
    "optimistix_bfgs",
    "optimistix_lbfgs",
    "optimistix_ncg_pr",
    "optimistix_ncg_hs",
    "optimistix_ncg_fr",
    "optimistix_ncg_dy",
)
"""Those of jax-cadre without bounds of their own: they get the box by a change of variables."""

CADRE_NAMES = (
    *(f"adabk{k}" for k in range(10)),
    "active_set",
    "active_set_sgd",
    "active_set_adabelief",
    "active_set_adaw",
    "optax_lbfgs",
    "adam",
    "sgd",
    "adabelief",
    "adaw",
    *UNBOUNDED,
)

SCIPY_METHODS = {"scipy_tnc": "TNC", "scipy_cobyqa": "COBYQA"}
"""What `scipy.optimize.minimize` calls them."""
