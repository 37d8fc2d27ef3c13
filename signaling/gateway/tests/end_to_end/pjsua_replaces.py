"""Two pjsua2 phones on one endpoint: the first calls through the gateway and calls the second directly, then
hands its call at the gateway over to the second by REFER with Replaces.

Arguments: address and port of the gateway, user, password.
Prints one line for each thing that happens: `state PHONE TEXT STATUS`, `packets NUMBER` (RTP that the second phone has
received in the call it took over), `end`.
"""

import sys

import pjsua2 as pj
import pjsua
from pjsua import say

gateway, *login = sys.argv[1:]


class Call(pjsua.Call):
    def onCallTransferRequest(self, prm):
        prm.newCall = add(Call(second, "taken"))

    def onCallTransferStatus(self, prm):
        self.say("transfer", prm.statusCode)


class Account(pj.Account):
    def onIncomingCall(self, prm):
        add(Call(self, "direct-in", prm.callId)).take()


calls = []


def add(call):
    calls.append(call)
    return call


def named(name):
    return next((call for call in calls if call.name == name), None)


phone = pjsua.Phone()


def account(name):
    created = Account()
    created.create(phone.account("sip:%s@127.0.0.1" % name, login))
    return created


first, second = account("first"), account("second")

at_gateway = add(Call(first, "gateway"))
at_gateway.makeCall("sip:1000@%s" % gateway, pj.CallOpParam(True))
phone.run(10, lambda: at_gateway.up or at_gateway.over)
direct = add(Call(first, "direct-out"))
direct.makeCall("sip:second@127.0.0.1:%s" % phone.port(), pj.CallOpParam(True))
phone.run(10, lambda: direct.up or direct.over)
direct.xferReplaces(at_gateway, pj.CallOpParam())
phone.run(10, lambda: named("taken") is not None and named("taken").up)
phone.run(10, lambda: at_gateway.over)
phone.run(1)
taken = named("taken")
if taken is not None and taken.up:
    say("packets", taken.getStreamStat(0).rtcp.rxStat.pkt)
phone.hang_up(calls)
say("end")
calls.clear()
phone.end()
