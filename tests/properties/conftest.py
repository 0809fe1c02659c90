"""How many examples the property tests draw: a few by default, the same ones each time; `--hypothesis-profile long` draws many."""

from hypothesis import HealthCheck, Phase, settings

_SHARED = {
    "deadline": None,  # the first example compiles
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
# Without a search for the simplest example that fails, which may take minutes: the long profile has it.
settings.register_profile("short", max_examples=5, derandomize=True, phases=[Phase.explicit, Phase.generate], **_SHARED)
settings.register_profile("long", max_examples=500, **_SHARED)
settings.load_profile("short")
