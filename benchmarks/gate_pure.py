"""The pure parts of the gate, in microseconds. Run by gate.py."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from argon2 import PasswordHasher
from stage import Bounds

from accounts.services import Profile
from apikeys import keyformat
from apikeys.gate.credential import Credential
from apikeys.gate.effects import LoadKey
from apikeys.gate.judge import Judging, judge, weigh
from apikeys.gate.request import GateRequest
from apikeys.gate.scopes import MEMBER_SCOPES, ROLES
from apikeys.models import Grant
from apikeys.services import gate, keys
from momentry.common.scopes import holds
from provisioning.services.members import register_member

TURNS = 9


class Subject(NamedTuple):
    """A key of some role and the request it is judged for."""

    name: str
    key_id: Any
    secret: str
    upstream: str


def make_subjects() -> list[Subject]:
    """A member's key with grant and quotas, and one service key of each role."""
    member = register_member(Profile("alice", "alice@example.org"), actor="benchmark").member
    Grant.objects.create(member=member, upstream="echo")
    issued = keys.issue_member_key(member, name="benchmark", actor="benchmark")
    found = [Subject("user", issued.key.pk, issued.secret, "echo")]
    for role in ROLES:
        made = keys.create_service_key(
            name=role, service_name="benchmark", role=role, actor="benchmark"
        )
        found.append(Subject(role, made.pk, keys.issue_secret(made), ""))
    return found


def measure(bounds: Bounds) -> None:
    subjects = make_subjects()
    print(f"microseconds per call, best of {TURNS} turns")
    warm = [Judged(subject) for subject in subjects]
    for judged in warm:
        bounds.check(f"decide, warm ({judged.name})", per_call(judged.decide), most=10)
    for judged in warm:
        bounds.check(f"headers to verdict, warm ({judged.name})", per_call(judged.judge))
    for name, look_up in look_ups():
        bounds.check(f"permission look-up ({name})", per_call(look_up), most=0.2)
    parts(subjects[0].secret, bounds)
    slow_hash(bounds)


def per_call(call: Callable[[], object], seconds: float = 0.05) -> float:
    """Microseconds of one call: the best of turns of some 50 ms each: all else only adds."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        call()
        count += 1
    rounds = range(max(1, count))
    turns = []
    for _ in range(TURNS):
        began = time.perf_counter()
        for _ in rounds:
            call()
        turns.append((time.perf_counter() - began) / len(rounds))
    return min(turns) * 1e6


class Judged:
    """One request of one key, with the replies that a real judgement got."""

    def __init__(self, subject: Subject) -> None:
        self.name = subject.name
        self.rules = gate.policy()
        self.headers = [
            (b"host", b"api.example.org"), (b"accept", b"*/*"), (b"user-agent", b"benchmark"),
            (b"content-type", b"application/json"), (b"x-api-key", subject.secret.encode()),
        ]  # fmt: skip
        self.upstream = subject.upstream
        self.path = f"/proxy/{subject.upstream}/v1/x" if subject.upstream else "/api/v1/me"
        self.replies: dict[type, Any] = {}
        verdict = drive(judge(self.request(), self.rules), self.ask)
        if not verdict.ok:
            raise SystemExit(f"the gate refused {subject.name}: {verdict.code} {verdict.detail}")
        self.asked = self.request()
        self.snapshot = self.replies[LoadKey]
        self.credential = Credential(subject.secret, b"x-api-key")

    def request(self) -> GateRequest:
        return GateRequest(
            self.headers, method="POST", path=self.path, client="192.0.2.1",
            upstream=self.upstream, rest="/v1/x",
        )  # fmt: skip

    def ask(self, effect: Any) -> Any:
        self.replies[type(effect)] = gate.answer(effect, self.rules)
        return self.replies[type(effect)]

    def tell(self, effect: Any) -> Any:
        return self.replies[type(effect)]

    def decide(self) -> Any:
        """Checks 4 to 9 over the snapshot, quota included: what a known key costs."""
        return drive(weigh(self.asked, self.snapshot, self.credential), self.tell)

    def judge(self) -> Any:
        """The whole gate: find the credential, parse it, prove it, decide."""
        return drive(judge(self.request(), self.rules), self.tell)


def drive(steps: Judging, answer: Callable[[Any], Any]) -> Any:
    try:
        effect = next(steps)
        while True:
            effect = steps.send(answer(effect))
    except StopIteration as stop:
        return stop.value


def look_ups() -> Iterator[tuple[str, Callable[[], object]]]:
    """Does this role hold a scope? For a member's scopes and each role, a yes and a no alike."""
    for name, scopes in {"user": MEMBER_SCOPES, **ROLES}.items():
        for word, needed in (("yes", min(scopes)), ("no", "nothing:here")):
            held = holds(scopes, needed)
            label = f"{name}, {word}" if held is (word == "yes") else f"{name}, all"
            yield label, partial(holds, scopes, needed)


def parts(secret: str, bounds: Bounds) -> None:
    pepper = gate.peppers()
    stored = pepper.digest(secret)
    typo = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    bounds.check("key parse", per_call(lambda: keyformat.parse(secret)))
    bounds.check("key parse, one letter wrong", per_call(lambda: keyformat.parse(typo)))
    bounds.check("HMAC verify", per_call(lambda: pepper.matches(secret, stored)))


def slow_hash(bounds: Bounds) -> None:
    hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
    stored = hasher.hash("secret")
    taken = per_call(lambda: hasher.verify(stored, "secret"), 0.2) / 1000
    bounds.check("Argon2id 19456/2/1 verify, milliseconds", taken, least=10)
    bounds.check("the same", taken, most=100)
