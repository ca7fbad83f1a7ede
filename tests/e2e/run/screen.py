"""What a person sees of a run: each step, and each alert as it arrives."""

import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from tests.e2e.run.system import DOMAIN, System
from tests.standins.record import Message, Record


class Screen:
    """Prints short lines, each with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._record: Record | None = None
        self._printed: dict[tuple[str, str], int] = {}
        self._pages = 0

    def step(self, text: str) -> None:
        """One step of the set-up or the run."""
        print(f"{time.monotonic() - self._started:6.1f} s  {text}", flush=True)

    def watch(self, record: Record) -> None:
        """From now on show what arrives in *record*."""
        self._record = record
        self.step("Alerts as they arrive: provider, region, latency, version, title, console")

    def show_news(self) -> None:
        """Show what has arrived or changed since last time."""
        for message in self._record.messages() if self._record else ():
            key = (message.provider, message.message_id)
            if self._printed.get(key) != message.shows.version:
                self._print(message, is_new=key not in self._printed)
                self._printed[key] = message.shows.version
            for page in message.pages[self._printed.get((*key[:1], key[1] + "/pages"), 0) :]:
                self.step(f"{message.provider:<5}  level {page.level} calls people: {message.shows.title}")
            self._printed[message.provider, message.message_id + "/pages"] = len(message.pages)

    def invite(self, system: System) -> None:
        """Say what to look at, and what to try."""
        tenant = system.tenants[0]
        region = system.regions[0]
        path = f"/v1/endpoints/{tenant.endpoint}/events"
        address, name = system.url(region, path), system.address_by_name(path)
        port = urlsplit(system.cloud.endpoint_url).port
        print(
            f"\nSlack and Teams, with buttons and faults to switch on:  {system.standins.url}/"
            f"\nPost an event of your own:\n"
            f"  curl -d 'Disk is full on web-1' -H 'Content-Type: text/plain' '{address}'"
            f"\nThe same by name, which leads to the nearest healthy region:\n"
            f"  curl -d 'Disk is full on web-1' -H 'Content-Type: text/plain' -H 'Host: {DOMAIN['name']}' "
            f"-H 'X-Client-Region: {region}' '{name}'"
            f"\nLose that region, and bring it back:  .venv/bin/resilience fault start region {region} --port {port}"
            f"  and  .venv/bin/resilience fault stop --all --port {port}"
            f"\nLogs of a function:  .venv/bin/resilience local logs --port {port} NotifySlack --follow"
            f"\nWhat differs from AWS here:  .venv/bin/resilience local report --port {port}"
            f"\nCtrl-C stops everything.\n",
            flush=True,
        )

    def verdict(self, found: Sequence[str]) -> None:
        """The last word of a run."""
        if not found:
            self.step("Every event is accounted for: one alert each, one post per alert, every post up to date")
            return
        self.step(f"{len(found)} problems:")
        for problem in found:
            print(f"  {problem}", flush=True)

    def _print(self, message: Message, *, is_new: bool) -> None:
        shows = message.shows
        latency = f"{message.latency_seconds:.2f} s" if is_new and message.latency_seconds is not None else "update"
        self.step(
            f"{message.provider:<5}  {shows.region:<10} {latency:>7}  v{shows.version:<3} {shows.title[:58]:<58}  {shows.link}"
        )
