"""A pjsua2 phone that transfers: calls with digest, then blindly or between two calls of its own.

Arguments: registrar-free target host and port, user, password, then steps in order:
`call=USER` (a further call, waits until it is up), `hold=N`, `resume=N`, `update=N` (UPDATE of call
N, counted from 0), `refer=URI` (of call 0), `replaces=N` (call 0 to the party of call N), `info=DIGITS`,
`message` (an instant message in the dialog), `wait=SECONDS`, `over=N` (waits for its end), `bye=N`.
Prints one line for each thing that happens, with the time in milliseconds where that counts.
Options before the steps: `100rel`, `timer`, `leave` (hang up when a transfer came about), `srtp` (SRTP and
nothing else). With TLS_CA and TLS_PROXY in the environment: over TLS, believing the authorities of that file
only, to that HOST:PORT.
"""

import os
import sys
import time

import pjsua2 as pj
import pjsua
from pjsua import say

host, user, password, *steps = sys.argv[1:]
options = {step for step in steps if step in ("100rel", "timer", "leave", "srtp")}
proxy = os.environ.get("TLS_PROXY")


class Call(pjsua.Call):
    transferred = False

    def onCallMediaState(self, prm):
        for media in self.getInfo().media:
            self.say("media", media.status)

    def onCallTransferStatus(self, prm):
        self.say("transfer", prm.statusCode, "final" if prm.finalNotify else "on its way")
        self.transferred = prm.finalNotify and prm.statusCode == 200

    def onCallReplaceRequest(self, prm):
        self.say("replace request")

    def onInstantMessageStatus(self, prm):
        say("message", prm.code)


phone = pjsua.Phone("tls" if proxy else "udp")
srtp = 0 if "srtp" in options else None
config = phone.account("sip:%s@127.0.0.1" % user, (user, password), proxy, srtp)
if "100rel" in options:
    config.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
if "timer" in options:
    config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
    config.callConfig.timerMinSESec = 90
    config.callConfig.timerSessExpiresSec = 90
account = pj.Account()
account.create(config)
calls = []


def run(seconds, until=lambda: False):
    def leave():
        for call in calls:
            if "leave" in options and call.transferred and not call.over:
                call.transferred = False
                call.hangup(pj.CallOpParam())
        return until()

    phone.run(seconds, leave)


for step in steps:
    name, _, value = step.partition("=")
    if name == "call":
        call = Call(account, len(calls))
        calls.append(call)
        transport_parameter = ";transport=tls" if proxy else ""
        call.makeCall("sip:%s@%s%s" % (value, host, transport_parameter), pj.CallOpParam(True))
        run(20, lambda: call.up or call.over)
    elif name == "hold":
        calls[int(value)].setHold(pj.CallOpParam(True))
    elif name == "resume":
        calls[int(value)].offer_again(pj.PJSUA_CALL_UNHOLD)
    elif name == "update":
        calls[int(value)].update(pj.CallOpParam(True))
    elif name == "refer":
        calls[0].xfer(value, pj.CallOpParam())
    elif name == "replaces":
        say("replaces at", int(time.time() * 1000))
        calls[0].xferReplaces(calls[int(value)], pj.CallOpParam())
    elif name == "info":
        parameters = pj.CallSendDtmfParam()
        parameters.digits = value
        parameters.method = pj.PJSUA_DTMF_METHOD_SIP_INFO
        calls[0].sendDtmf(parameters)
    elif name == "message":
        parameters = pj.SendInstantMessageParam()
        parameters.content = "hello"
        calls[0].sendInstantMessage(parameters)
    elif name == "wait":
        run(float(value))
    elif name == "over":
        run(40, lambda: calls[int(value)].over)
    elif name == "bye":
        if not calls[int(value)].over:
            calls[int(value)].hangup(pj.CallOpParam())
            run(5, lambda: calls[int(value)].over)
    say("did", step)
phone.hang_up(calls)
say("end")
calls.clear()
phone.end()
