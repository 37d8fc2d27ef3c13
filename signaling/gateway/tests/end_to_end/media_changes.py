"""Two parties that change and hold their media in every phase of a call. Arguments: see parties.py; `mixed` after
them where only the caller's side is secure, for the phases in which both sides matter.

Prints `ok`, the phase and what was changed for each check that held; ends with the first that did not.
"""

import sys

sys.dont_write_bytecode = True
from parties import PATIENCE, PCMA, PCMU, SECURE, Party, Wrong, callee_port, hears, more, nothing, parties, passes, run, say, silent
from parties import both as hear_each_other


def both(*words):
    hear_each_other(alice, bob, *words)


def holds(phase, who, other):
    """All directions; what the answer says, and who hears what. The other side is told nothing."""
    told = len(other.inbox)
    for direction, wanted, connection, speaks, listens in [
        ("sendonly", "recvonly", None, True, False),
        ("recvonly", "sendonly", None, False, True),
        ("inactive", "inactive", None, False, False),
        ("sendrecv", "recvonly", "0.0.0.0", True, False),
    ]:
        who.change(direction=direction, connection=connection, wanted=wanted)
        passes((who, other)) if speaks else silent(other)
        passes((other, who)) if listens else nothing(who)
        say(phase, who.name, "holds", direction, connection or "")
        # While it is on hold it may move; it comes back from there.
        who.change(direction=direction, connection=connection, wanted=wanted, address="127.0.0.1")
        who.change(direction="sendrecv", connection=None)
        both(phase, who.name, "resumes from", direction, connection or "")
    if len(other.inbox) != told:
        raise Wrong("%s was told of a hold: %s" % (other.name, other.inbox))


def changes(phase, who, check):
    """One thing after another, each heard at once."""
    steps = [
        ("port", {"address": "127.0.0.1"}),
        ("address", {"address": "127.0.0.2"}),
        ("codec", {"codec": PCMA}),
        ("codec, events, port", {"codec": PCMU, "events": 96, "address": "127.0.0.1"}),
        ("nothing", {"refresh": True}),
        ("version only", {}),
        ("port by a late offer", {"address": "127.0.0.1", "method": "late"}),
        ("port by UPDATE", {"address": "127.0.0.1", "method": "UPDATE"}),
    ]
    if who.secure:
        steps += [("key", {"new_key": True}), ("key, port, codec", {"new_key": True, "address": "127.0.0.3", "codec": PCMA})]
    for name, what in steps:
        who.change(**what)
        check(phase, who.name, "changes", name)


def presses(phase, speaker, listener):
    listener.digits.clear()
    speaker.press(7)
    run(PATIENCE, lambda: listener.digits.count(7) >= 3, lambda: "no digit: %s" % listener.digits)
    say(phase, speaker.name, "presses")


def bridge():
    alice.call("bob")
    bob.ring()
    bob.respond(bob.invite, "180 Ringing")
    bob.answer()
    alice.confirm()
    both("bridge", "begins")
    for who in (alice, bob):
        changes("bridge", who, both)
    presses("bridge", alice, bob)
    presses("bridge", bob, alice)
    for who, other in ((alice, bob), (bob, alice)):
        holds("bridge", who, other)
    for who in (alice, bob):
        who.prepare(address="127.0.0.4", codec=PCMU)
        who.offer()
    for who in (bob, alice):
        who.settle()
    both("bridge", "both change at once")
    # Both hold: each is answered for itself.
    alice.change(direction="sendonly", wanted="recvonly")
    bob.change(direction="sendonly", wanted="recvonly")
    nothing(alice)
    nothing(bob)
    alice.change(direction="sendrecv")
    bob.change(direction="sendrecv")
    both("bridge", "both held and resume")
    for who in (alice, bob):
        if who.secure:
            who.wire.connect()
            who.change(address="127.0.0.1")
            both("bridge", who.name, "changes over a new connection")
    alice.hang_up()
    bob.respond(bob.wait_for_request("BYE"), "200 OK")
    say("bridge", "ends")


PROMPT_LEVEL = 8000


def hears_prompt(*words):
    hears(alice, PROMPT_LEVEL)
    say(*words)


def prompt(phase):
    """The caller changes while the gateway plays to it."""
    alice.call(phase)
    alice.confirm()
    hears_prompt(phase, "begins")
    changes(phase, alice, hears_prompt)
    alice.change(direction="sendonly", wanted="recvonly")
    nothing(alice)
    alice.change(direction="sendrecv", address="127.0.0.1")
    hears_prompt(phase, "resumes")
    if phase == "gather":
        alice.press(5)
        alice.respond(alice.wait_for_request("BYE"), "200 OK")
        say(phase, "digit taken")
    else:
        alice.hang_up()
        say(phase, "ends")


def early():
    """The caller changes while its party rings with music; the party answers from elsewhere, otherwise."""
    alice.call("bob")
    bob.ring()
    bob.answer("183 Session Progress")
    alice.confirm()
    passes((bob, alice))
    say("early media", "begins")
    changes("early media", alice, lambda *words: (passes((bob, alice)), say(*words)))
    alice.change(direction="sendonly", wanted="recvonly")
    nothing(alice)
    alice.change(direction="sendrecv")
    bob.prepare(address="127.0.0.5", codec=PCMA, events=97)
    bob.answer()
    both("early media", "becomes a bridge elsewhere")
    presses("early media", alice, bob)
    bob.hang_up()
    alice.respond(alice.wait_for_request("BYE"), "200 OK")
    say("early media", "ends")


def early_reliably():
    """Both move by UPDATE before anybody has answered; the 200s have no SDP any more."""
    alice.call("onbridge", "Supported: 100rel\r\n")
    bob.ring()
    bob.progress_reliably()
    alice.hear_early()
    passes((bob, alice))
    say("reliable early media", "begins")
    for what in ({"address": "127.0.0.1"}, {"address": "127.0.0.6", "codec": PCMA, "events": 98}):
        for who in (alice, bob):
            who.change(method="UPDATE", **what)
            passes((bob, alice))
            say("reliable early media", who.name, "moves by UPDATE")
    bob.respond(bob.invite, "200 OK")
    bob.wait_for_request("ACK")
    alice.confirm_without_sdp()
    both("reliable early media", "becomes a bridge")
    for who in (alice, bob):
        who.change(address="127.0.0.1")
        both("reliable early media", who.name, "changes port afterwards")
    presses("reliable early media", bob, alice)
    alice.hang_up()
    bob.respond(bob.wait_for_request("BYE"), "200 OK")
    say("reliable early media", "ends")


IS_MIXED = more == ["mixed"]
alice, bob = Party("alice"), Party("bob", int(callee_port), SECURE and not IS_MIXED)
parties += [alice, bob]
try:
    bridge()
    early()
    if not IS_MIXED:
        early_reliably()
        prompt("play")
        prompt("gather")
    print("over", flush=True)
except Wrong as wrong:
    print("WRONG", wrong, flush=True)
    raise
