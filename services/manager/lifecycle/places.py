"""All places that xApps attach to, seen as one: the RIC, the radio network and the critic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from ric_sim.domain.errors import RicityError
from services.manager.lifecycle.descriptor import Place
from services.manager.lifecycle.ric_view import Attached, ConfigurableRoster, RicView, Roster, Told


class Places:
    """A `ConfigurableRoster` of every xApp.

    What a place said last stands in while it is silent; `RicView.unseen` says which is.
    """

    def __init__(
        self,
        ric: ConfigurableRoster,
        others: Mapping[Place, Roster],
        *,
        place: Callable[[str], Place],
        names_at: Callable[[Place], Iterable[str]],
    ) -> None:
        """
        Args:
            place: of an xApp, by name. names_at: xApps in the catalogue that attach there; nobody is asked for none.
        """
        self._ric, self._others = ric, others
        self._place, self._names_at = place, names_at
        self._last: dict[Place, RicView] = {}

    async def look(self) -> RicView:
        """As `Roster.look`."""
        asked = [place for place in self._others if any(True for _ in self._names_at(place))]
        ric, *found = await asyncio.gather(
            self._ric.look(), *(self._others[place].look() for place in asked), return_exceptions=True
        )
        unseen: dict[str, RicityError] = {}
        for place, answer in zip(asked, found, strict=True):
            if isinstance(answer, RicView):
                self._last[place] = answer
            else:
                unseen[place.value] = _ours(answer)
        if not isinstance(ric, RicView):
            unseen[Place.RIC.value] = _ours(ric)
            ric = self._last.get(Place.RIC, RicView())
        self._last[Place.RIC] = ric
        views = [ric, *(self._last.get(place, RicView()) for place in asked)]
        return RicView(
            attached=[row for view in views for row in view.attached],
            counts={name: counts for view in views for name, counts in view.counts.items()},
            unseen=unseen,
        )

    async def set_weight(self, name: str, version: str, weight: int, *, keep: bool) -> None:
        """As `Roster.set_weight`, where the xApp attaches."""
        place = self._place(name)
        roster = self._ric if place == Place.RIC else self._others[place]
        await roster.set_weight(name, version, weight, keep=keep)

    async def configure(
        self, rows: Sequence[Attached], generation: int, settings: Mapping[str, str], *, check_only: bool
    ) -> list[Told]:
        """As `ConfigurableRoster.configure`: who attaches elsewhere reads everything at the start and has no say."""
        return await self._ric.configure(rows, generation, settings, check_only=check_only)


def _ours(error: BaseException) -> RicityError:
    """What a place that does not answer raises; any other error is a defect and goes on."""
    if not isinstance(error, RicityError):
        raise error
    return error
