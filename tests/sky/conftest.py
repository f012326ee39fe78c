import pytest

from sweep.cache import Cache
from sweep.sky import synthetic_sky


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def sky(cache):
    return synthetic_sky(64, seed=0, r=0.01, cmb_seed=1, cache=cache)
