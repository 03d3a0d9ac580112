"""Takes over what the learner of this node's tasks has granted, suspended or fitted.

What is taken over is decided in `learning/exchange.py`. Suspending on what this node sees itself is
done by the loop of `overseer.py` here as well. The learner's side is `fleet/learner_desk.py`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from tidegate.bundles.fingerprint import fingerprint
from tidegate.config.configuration import Configuration, ConfiguredUpstream
from tidegate.domain.exchange import Offer, Offers
from tidegate.domain.guarantee import Guarantee
from tidegate.errors import BundleError, StateError, UpstreamError
from tidegate.learning.exchange import Decline, Extend, Save, may_leave, take
from tidegate.node.fitting import Texts
from tidegate.node.learner_link import Link, Ties, said
from tidegate.node.learning import policy_of
from tidegate.node.owner import Reach
from tidegate.node.promised import promise_of
from tidegate.node.verified import Remembered


@dataclass(slots=True)
class Pulling:
    """Asks the learner, again and again."""

    ties: Ties
    texts: Callable[[], Awaitable[Texts]]
    """Encodes the golden texts."""
    reach: Reach
    _texts: Texts | None = None

    async def pull(self) -> None:
        """Ask the learner once, and take over what it has."""
        configuration = self.ties.configuration()
        link = await self.ties.linked()
        if link is None:
            return
        async with self.ties.working:
            texts = await self._golden()
            zone = configuration.place.zone
            try:
                found = await link.learner.offers(zone, link.tag)
            except UpstreamError as error:
                self.ties.tell("learner", "exchange.unreachable", said(error))
                return
            if found is not None:
                link.tag = None
                link.offers, tag = found
            if link.offers is None or not self._fits(link.offers, link.configured, texts):
                link.tag = None
                return
            self.ties.told.pop("learner", None)
            link.heard = self.ties.clock.now()
            changes = [await self._keep_keys(link.offers, zone)]
            is_whole = True
            for offer in link.offers.tasks:
                if self._is_ours(offer, configuration):
                    changed, is_taken = await self._take(offer, configuration, link, texts)
                    changes.append(changed)
                    is_whole = is_whole and is_taken
            if found is not None and is_whole:
                link.tag = tag
        why = [one for one in changes if one is not None]
        if why:
            await self.reach.rebuild("; ".join(why))

    async def _golden(self) -> Texts:
        if self._texts is None:
            self._texts = await self.texts()
        return self._texts

    def _fits(self, offers: Offers, configured: ConfiguredUpstream, texts: Texts) -> bool:
        """Tell whether this learner is one for this node; else nothing is confirmed."""
        name = configured.settings.name
        if offers.encoder != texts.encoder:
            self.ties.tell("learner", "exchange.encoder", f"`{name}` runs another encoder")
            return False
        if offers.zone != configured.settings.zone:
            self.ties.tell(
                "learner",
                "exchange.zone",
                f"`{name}` says that it stands in the zone {offers.zone!r}, the configuration says"
                f" {configured.settings.zone!r}",
            )
            return False
        return True

    async def _keep_keys(self, offers: Offers, zone: str) -> str | None:
        keys = offers.keys
        if keys is None or not may_leave(zone, offers.zone):
            return None

        def kept() -> bool:
            store = self.ties.store()
            if store.outbox.keys() == keys:
                return False
            store.outbox.keep_keys(keys)
            return True

        return "the learner's keys are known" if await self.ties.run(kept) else None

    def _is_ours(self, offer: Offer, configuration: Configuration) -> bool:
        """Tell whether this node pulls that, by its own configuration."""
        policy, owner = policy_of(configuration), offer.owner
        print_ = fingerprint(offer.question)
        if print_ is None or policy.role_of(owner.task) == "learn":
            return False
        return any(policy.owner_of(print_, one) == owner for one in configuration.tenants)

    async def _take(
        self, offer: Offer, configuration: Configuration, link: Link, texts: Texts
    ) -> tuple[str | None, bool]:
        """Take one offer over; gives why to build anew, and whether there is nothing left of it."""
        ties, key, offered = self.ties, offer.owner.key, offer.guarantee
        if offered is None or offered.task != key:
            return None, offered is None
        promise = promise_of(configuration, offer.owner, offer.question)
        lapse_s, now = configuration.learning.lapse_s, ties.clock.now()

        def decided() -> tuple[Guarantee | None, Save | Extend | Decline | None]:
            here = ties.guarantees.load(key)
            if offered.state == "granted":
                given = ties.guarantees.answers(offered.grant)
                if given >= offered.expires_after_answers:
                    return here, Decline(f"{given:,} answers were given here under it already")
            return here, take(here, offered, promise, now=now, lapse_s=lapse_s)

        here, step = await self.ties.run(decided)
        match step:
            case None:
                self.ties.told.pop(key, None)
                return None, True
            case Decline(reason):
                self.ties.tell(key, "exchange.declined", reason)
                return None, False
            case Extend(guarantee):
                await self.ties.run(lambda: ties.guarantees.extend(guarantee))
                return f"`{key}` is confirmed", True
            case Save(guarantee):
                return await self._save(offer, here, guarantee, link, texts)

    async def _save(
        self,
        offer: Offer,
        here: Guarantee | None,
        guarantee: Guarantee,
        link: Link,
        texts: Texts,
    ) -> tuple[str | None, bool]:
        """Put a verdict in the place of `here`, once its bundle is here and may serve."""
        key = offer.owner.key
        if guarantee.state == "granted":
            try:
                version = await self._fetch(key, guarantee, link, texts)
            except (BundleError, StateError, UpstreamError) as error:
                # What served goes on, until the learner has not confirmed it for too long.
                self.ties.tell(key, "exchange.bundle_refused", said(error))
                return None, False
            guarantee = replace(guarantee, bundle_version=version)

        def saved() -> bool:
            self.ties.store().remember(offer.owner, offer.question)
            return self.ties.guarantees.succeed(here, guarantee)

        if not await self.ties.run(saved):
            # It was suspended here meanwhile: that comes first.
            return None, False
        if here is not None and here.state == "granted" and guarantee.state != "granted":
            # Building anew may have to wait for something else; this may not.
            await self.reach.revoke(here.grant)
        if here is not None and here.grant == guarantee.grant and guarantee.state == "granted":
            # It was only not confirmed in time, or has been renewed since.
            await self.reach.restore(guarantee.grant)
        self.ties.told.pop(key, None)
        self.ties.log.event(
            f"exchange.{guarantee.state}",
            task=key,
            version=guarantee.bundle_version,
            reason=guarantee.reason,
        )
        return f"the learner says of `{key}`: {guarantee.state}", True

    async def _fetch(self, key: str, guarantee: Guarantee, link: Link, texts: Texts) -> str:
        """Give the version here of the bundle that a guarantee is about; pulls it if need be."""
        stock = self.ties.stock
        known = await self.ties.run(lambda: stock.version_of(key, guarantee.bundle))
        if known is not None:
            return known
        zone = self.ties.configuration().place.zone
        archive = await link.learner.bundle(zone, key, guarantee.bundle_version)
        taken = await stock.take(
            archive,
            f"what `{link.configured.settings.name}` sent",
            Remembered(texts),
            name=key,
            content_hash=guarantee.bundle,
        )
        return taken.bundle.version
