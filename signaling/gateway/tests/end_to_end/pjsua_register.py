"""A pjsua2 phone that registers, takes calls, plays a tone and records what it hears.

Arguments: registrar (HOST:PORT), transport (udp, tcp or tls), user, password, domain, WAV file to write,
seconds to stay, and where it is: the address it binds and the one that it believes to have (as
behind a NAT that it does not know of). Prints one line for each thing that happens; hangs a call up
after three seconds. With SRTP in the environment: SRTP and nothing else.
"""

import os
import sys
import time

import pjsua2 as pj

registrar, transport_name, user, password, domain, wav, seconds, here, believed = sys.argv[1:]


def say(*words):
    print(*words, flush=True)


class Call(pj.Call):
    def __init__(self, account, call_id):
        super().__init__(account, call_id)
        self.recorder = None
        self.tone = None
        self.since = None
        self.over = False

    def onCallState(self, prm):
        info = self.getInfo()
        say("state", info.stateText, info.lastStatusCode)
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.since = time.monotonic()
        self.over = info.state == pj.PJSIP_INV_STATE_DISCONNECTED

    def onCallMediaState(self, prm):
        info = self.getInfo()  # kept: its media list lives as long as it does
        for media in info.media:
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                self.recorder = pj.AudioMediaRecorder()
                self.recorder.createRecorder(wav)
                self.getAudioMedia(-1).startTransmit(self.recorder)
                self.tone = pj.ToneGenerator()
                self.tone.createToneGenerator()
                tone = pj.ToneDesc()
                tone.freq1, tone.freq2, tone.on_msec, tone.off_msec = 440, 0, 1000, 0
                self.tone.play(pj.ToneDescVector([tone]), True)
                self.tone.startTransmit(self.getAudioMedia(-1))


class Account(pj.Account):
    def __init__(self):
        super().__init__()
        self.calls = []

    def onRegState(self, prm):
        say("registration", prm.code, prm.expiration)

    def onIncomingCall(self, prm):
        say("incoming")
        call = Call(self, prm.callId)
        self.calls.append(call)
        parameters = pj.CallOpParam()
        parameters.statusCode = 200
        call.answer(parameters)


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
transport.boundAddress = here
transport.publicAddress = believed
kinds = {
    "udp": pj.PJSIP_TRANSPORT_UDP,
    "tcp": pj.PJSIP_TRANSPORT_TCP,
    "tls": pj.PJSIP_TRANSPORT_TLS,
}
kind = kinds[transport_name]
if transport_name == "tls":
    transport.tlsConfig.CaListFile = os.environ["TLS_CA"]
    transport.tlsConfig.verifyServer = True
endpoint.transportCreate(kind, transport)
endpoint.libStart()
endpoint.audDevManager().setNullDev()

account_config = pj.AccountConfig()
account_config.idUri = "sip:%s@%s" % (user, domain)
account_config.regConfig.registrarUri = "sip:%s" % domain
account_config.regConfig.timeoutSec = 3600
route = "sip:%s;transport=%s;lr" % (registrar, transport_name)
account_config.sipConfig.proxies.append(route)
account_config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
account_config.mediaConfig.transportConfig.boundAddress = here
account_config.mediaConfig.transportConfig.publicAddress = believed
account_config.natConfig.contactRewriteUse = 0
account_config.natConfig.viaRewriteUse = 0
account_config.natConfig.sdpNatRewriteUse = 0
if "SRTP" in os.environ:
    account_config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
    account_config.mediaConfig.srtpSecureSignaling = 1
account_config.mediaConfig.transportConfig.port = 0
account_config.mediaConfig.transportConfig.portRange = 0
account = Account()
account.create(account_config)

end = time.monotonic() + float(seconds)
while time.monotonic() < end:
    endpoint.libHandleEvents(20)
    for call in account.calls:
        if call.since and time.monotonic() - call.since > 3 and not call.over:
            call.since = None
            call.hangup(pj.CallOpParam())
    if account.calls and all(call.over for call in account.calls):
        break
for call in account.calls:
    call.recorder = call.tone = None
account.setRegistration(False)
end = time.monotonic() + 1
while time.monotonic() < end:
    endpoint.libHandleEvents(20)
say("over")
endpoint.libDestroy()
