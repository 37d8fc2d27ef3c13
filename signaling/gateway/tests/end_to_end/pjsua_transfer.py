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

host, user, password, *steps = sys.argv[1:]
options = {step for step in steps if step in ("100rel", "timer", "leave", "srtp")}


def say(*words):
    print(*words, flush=True)


class Call(pj.Call):
    def __init__(self, account, number):
        super().__init__(account)
        self.number = number
        self.over = False
        self.up = False
        self.transferred = False

    def onCallState(self, prm):
        info = self.getInfo()
        say("state", self.number, info.stateText, info.lastStatusCode)
        self.up = self.up or info.state == pj.PJSIP_INV_STATE_CONFIRMED
        self.over = info.state == pj.PJSIP_INV_STATE_DISCONNECTED

    def onCallMediaState(self, prm):
        for media in self.getInfo().media:
            say("media", self.number, media.status)

    def onCallTransferStatus(self, prm):
        say("transfer", self.number, prm.statusCode, "final" if prm.finalNotify else "on its way")
        self.transferred = prm.finalNotify and prm.statusCode == 200

    def onCallReplaceRequest(self, prm):
        say("replace request", self.number)

    def onInstantMessageStatus(self, prm):
        say("message", prm.code)


endpoint = pj.Endpoint()
endpoint.libCreate()
config = pj.EpConfig()
config.logConfig.level = 1
config.logConfig.consoleLevel = 1
config.uaConfig.threadCnt = 0
config.medConfig.noVad = True
endpoint.libInit(config)
transport = pj.TransportConfig()
transport.port = 0
transport.boundAddress = "127.0.0.1"
tls_ca, tls_proxy = os.environ.get("TLS_CA"), os.environ.get("TLS_PROXY")
if tls_ca:
    transport.tlsConfig.CaListFile = tls_ca
    transport.tlsConfig.verifyServer = True
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_TLS, transport)
else:
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
endpoint.libStart()
endpoint.audDevManager().setNullDev()

account_config = pj.AccountConfig()
account_config.idUri = "sip:%s@127.0.0.1" % user
account_config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
if tls_proxy:
    account_config.sipConfig.proxies.append("sip:%s;transport=tls;lr" % tls_proxy)
if "srtp" in options:
    account_config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
    account_config.mediaConfig.srtpSecureSignaling = 0
account_config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
account_config.mediaConfig.transportConfig.port = 0
account_config.mediaConfig.transportConfig.portRange = 0
if "100rel" in options:
    account_config.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
if "timer" in options:
    account_config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
    account_config.callConfig.timerMinSESec = 90
    account_config.callConfig.timerSessExpiresSec = 90
account = pj.Account()
account.create(account_config)
calls = []


def run(seconds, until=lambda: False):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        endpoint.libHandleEvents(10)
        for call in calls:
            if "leave" in options and call.transferred and not call.over:
                call.transferred = False
                call.hangup(pj.CallOpParam())


for step in steps:
    name, _, value = step.partition("=")
    if name == "call":
        call = Call(account, len(calls))
        calls.append(call)
        transport_parameter = ";transport=tls" if tls_ca else ""
        call.makeCall("sip:%s@%s%s" % (value, host, transport_parameter), pj.CallOpParam(True))
        run(20, lambda: call.up or call.over)
    elif name == "hold":
        calls[int(value)].setHold(pj.CallOpParam(True))
    elif name == "resume":
        parameters = pj.CallOpParam(True)
        parameters.opt.flag = pj.PJSUA_CALL_UNHOLD
        calls[int(value)].reinvite(parameters)
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
for call in calls:
    if not call.over:
        call.hangup(pj.CallOpParam())
run(3, lambda: all(call.over for call in calls))
say("end")
calls.clear()
endpoint.libDestroy()
