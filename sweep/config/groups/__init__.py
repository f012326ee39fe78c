"""Settings: a module for each group, a dataclass for each schema of its YAML files.

Not frozen, because OmegaConf makes frozen structured configs read-only.
"""
