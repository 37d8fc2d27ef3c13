"""Two pjsua2 phones on one endpoint: the first calls through the gateway and calls the second directly, then
hands its call at the gateway over to the second by REFER with Replaces.

Arguments: address and port of the gateway, user, password.
Prints one line for each thing that happens: `state PHONE TEXT STATUS`, `packets NUMBER` (RTP that the second phone has
received in the call it took over), `end`.
"""

import sys
import time

import pjsua2 as pj

gateway, user, password = sys.argv[1:]


def say(*words):
    print(*words, flush=True)


class Call(pj.Call):
    def __init__(self, account, name, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(account, call_id)
        self.name = name
        self.up = False
        self.over = False

    def onCallState(self, prm):
        info = self.getInfo()
        say("state", self.name, info.stateText, info.lastStatusCode)
        self.up = self.up or info.state == pj.PJSIP_INV_STATE_CONFIRMED
        self.over = info.state == pj.PJSIP_INV_STATE_DISCONNECTED

    def onCallTransferRequest(self, prm):
        prm.newCall = add(Call(second, "taken"))

    def onCallTransferStatus(self, prm):
        say("transfer", self.name, prm.statusCode)


class Account(pj.Account):
    def onIncomingCall(self, prm):
        answer = pj.CallOpParam()
        answer.statusCode = 200
        add(Call(self, "direct-in", prm.callId)).answer(answer)


calls = []


def add(call):
    calls.append(call)
    return call


def named(name):
    return next((call for call in calls if call.name == name), None)


def run(seconds, until=lambda: False):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        endpoint.libHandleEvents(10)


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
transport_id = endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
endpoint.libStart()
endpoint.audDevManager().setNullDev()


def account(name):
    config = pj.AccountConfig()
    config.idUri = "sip:%s@127.0.0.1" % name
    config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
    config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    config.mediaConfig.transportConfig.port = 0
    config.mediaConfig.transportConfig.portRange = 0
    created = Account()
    created.create(config)
    return created


first, second = account("first"), account("second")
own_port = endpoint.transportGetInfo(transport_id).localName.rsplit(":", 1)[1]

at_gateway = add(Call(first, "gateway"))
at_gateway.makeCall("sip:1000@%s" % gateway, pj.CallOpParam(True))
run(10, lambda: at_gateway.up or at_gateway.over)
direct = add(Call(first, "direct-out"))
direct.makeCall("sip:second@127.0.0.1:%s" % own_port, pj.CallOpParam(True))
run(10, lambda: direct.up or direct.over)
direct.xferReplaces(at_gateway, pj.CallOpParam())
run(10, lambda: named("taken") is not None and named("taken").up)
run(10, lambda: at_gateway.over)
run(1)
taken = named("taken")
if taken is not None and taken.up:
    say("packets", taken.getStreamStat(0).rtcp.rxStat.pkt)
for call in calls:
    if not call.over:
        call.hangup(pj.CallOpParam())
run(3, lambda: all(call.over for call in calls))
say("end")
calls.clear()
endpoint.libDestroy()
