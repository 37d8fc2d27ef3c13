"""Callees of a phone that transfers them to each other over TLS with SRTP. Arguments: see parties.py, then the
second callee's port, and `blind` or `attended`. Prints `ready`, then `ok` for each check that held.
"""

import sys

sys.dont_write_bytecode = True
from parties import Party, Wrong, both, callee_port, levels, more, parties, run, say

bob, carol = Party("bob", int(callee_port)), Party("carol", int(more[0]))
parties += [bob, carol]
bob.level, carol.level = levels[6], levels[9]
print("ready", flush=True)


def is_over(party):
    return any(text.startswith("BYE ") for text in party.inbox)


try:
    # The phone takes its time to start.
    bob.ring(40)
    bob.answer()
    say("bob is called")
    carol.ring(40)
    carol.answer()
    say("carol is called")
    if more[1] == "attended":
        # Until the phone joins them they hear the phone, which is silent, or nothing.
        run(20, lambda: is_over(bob) or any(heard > 1000 for _, heard in bob.heard), lambda: "nobody was joined")
    both(bob, carol, "they hear each other")
    # The dialogs go on: one holds and comes back from elsewhere, by a new connection.
    bob.change(direction="inactive", wanted="inactive")
    bob.change(direction="sendrecv", address="127.0.0.2", new_key=True)
    both(bob, carol, "they hear each other after a hold")
    bob.hang_up()
    carol.respond(carol.wait_for_request("BYE"), "200 OK")
    print("over", flush=True)
except Wrong as wrong:
    print("WRONG", wrong, flush=True)
    raise
