"""A pjsua2 phone: calls with digest, presses keys, holds and resumes, records what it hears.

Arguments: target URI, user, password, codec (PCMU or PCMA), WAV file to write, then what to do:
`srtp` first for SRTP and nothing else, `press=1`, `hold`, `resume`, `reinit` (an offer of new media: port, and key), `hangup`,
`wait=SECONDS`, in order.
Prints one line for each thing that happens. With TLS_CA and TLS_PROXY in the environment: over TLS,
believing the authorities of that file only, to that HOST:PORT. With SAYS: says that WAV file over and
over, and sends nothing in its pauses (voice activity detection).
"""

import os
import sys
import time

import pjsua2 as pj

target, user, password, codec, wav, *steps = sys.argv[1:]


def say(*words):
    print(*words, flush=True)


class Call(pj.Call):
    def __init__(self, account):
        super().__init__(account)
        self.recorder = None
        self.player = None
        self.over = False
        self.up = False

    def onCallState(self, prm):
        info = self.getInfo()
        say("state", info.stateText, info.lastStatusCode)
        self.up = self.up or info.state == pj.PJSIP_INV_STATE_CONFIRMED
        self.over = info.state == pj.PJSIP_INV_STATE_DISCONNECTED

    def onCallMediaState(self, prm):
        info = self.getInfo()  # kept: its media list lives as long as it does
        for media in info.media:
            say("media", media.status)
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                say("media at", self.getMedTransportInfo(media.index).localRtpName)
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                if self.recorder is None:
                    self.recorder = pj.AudioMediaRecorder()
                    self.recorder.createRecorder(wav)
                self.getAudioMedia(-1).startTransmit(self.recorder)
                if says and self.player is None:
                    self.player = pj.AudioMediaPlayer()
                    self.player.createPlayer(says)
                    self.player.startTransmit(self.getAudioMedia(-1))


endpoint = pj.Endpoint()
endpoint.libCreate()
config = pj.EpConfig()
config.logConfig.level = 1
config.logConfig.consoleLevel = 1
config.uaConfig.threadCnt = 0
says = os.environ.get("SAYS")
config.medConfig.noVad = says is None
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
for known in endpoint.codecEnum2():
    endpoint.codecSetPriority(known.codecId, 255 if known.codecId.startswith(codec) else 0)
    if says and known.codecId.startswith(codec):
        parameters = endpoint.codecGetParam(known.codecId)
        parameters.setting.vad = True
        endpoint.codecSetParam(known.codecId, parameters)

account_config = pj.AccountConfig()
account_config.idUri = "sip:%s@127.0.0.1" % user
account_config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
if tls_proxy:
    account_config.sipConfig.proxies.append("sip:%s;transport=tls;lr" % tls_proxy)
account_config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
account_config.mediaConfig.transportConfig.port = 0
account_config.mediaConfig.transportConfig.portRange = 0
if steps[:1] == ["srtp"]:
    steps = steps[1:]
    account_config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
    account_config.mediaConfig.srtpSecureSignaling = 0
account = pj.Account()
account.create(account_config)

call = Call(account)
call.makeCall(target, pj.CallOpParam(True))


def run(seconds, until=lambda: False):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until() and not call.over:
        endpoint.libHandleEvents(20)


run(20, lambda: call.up)
for step in steps:
    if call.over:
        break
    name, _, value = step.partition("=")
    if name == "press":
        call.dialDtmf(value)
    elif name == "hold":
        call.setHold(pj.CallOpParam(True))
    elif name == "resume":
        parameters = pj.CallOpParam(True)
        parameters.opt.flag = pj.PJSUA_CALL_UNHOLD
        call.reinvite(parameters)
    elif name == "reinit":
        parameters = pj.CallOpParam(True)
        parameters.opt.flag = pj.PJSUA_CALL_REINIT_MEDIA
        call.reinvite(parameters)
    elif name == "hangup":
        call.hangup(pj.CallOpParam())
    elif name == "wait":
        run(float(value))
    say("did", step)
run(30, lambda: call.over)
if not call.over:
    call.hangup(pj.CallOpParam())
    run(5, lambda: call.over)
say("over" if call.over else "still up")
call.recorder = None
call.player = None
endpoint.libDestroy()
