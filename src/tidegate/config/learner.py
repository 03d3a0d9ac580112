"""Who learns what this node collects or serves: settings that must agree, the upstream meant."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from tidegate.config.addresses import is_loopback
from tidegate.config.configuration import ConfiguredUpstream
from tidegate.config.document import Document
from tidegate.config.problem import suggest
from tidegate.config.schema import Settings
from tidegate.domain.learn_policy import LearnRole

_HERE = ("learning", "learner")
_LEARNS = "tidegate"


def learn_roles(settings: Settings) -> Mapping[str, LearnRole]:
    """Give the role of each task that has one of its own."""
    return {name: task.role for name, task in settings.tasks.items() if task.role is not None}


def configure_learner(
    settings: Settings, upstreams: Sequence[ConfiguredUpstream], document: Document
) -> ConfiguredUpstream | None:
    """Give the upstream that learns; what is wrong is reported to `document`."""
    name = settings.learning.learner
    roles = {settings.learning.role, *learn_roles(settings).values()} - {"learn"}
    if name is None:
        if roles:
            document.report(
                ("learning",),
                f"`{min(roles)}` needs `learning.learner`: the name of an upstream of kind"
                " `tidegate`",
            )
        return None
    if not roles:
        document.warn(_HERE, "nothing is learned there: `learning.role` and all tasks say `learn`")
    found = next((one for one in upstreams if one.settings.name == name), None)
    if found is None:
        names = [one.settings.name for one in upstreams]
        document.report(_HERE, f"there is no upstream `{name}`{suggest(name, names)}")
        return None
    if found.settings.__struct_config__.tag != _LEARNS:
        document.report(_HERE, f"`{name}` is not of kind `{_LEARNS}`, which alone can learn")
    if found.settings.api_key is None:
        document.report(
            _HERE,
            f"`{name}` has no `api_key`; make one there: tidegate keys create --role node"
            " --scope learn",
        )
    url = urlsplit(found.settings.base_url)
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        document.report(
            _HERE, f"`{name}` is plain http to another machine; labels are personal: use https"
        )
    return found
