"""What the pjsua2 phones of these tests share: an endpoint without a sound card, accounts, and calls that say what
happens to them, one line for each event.

Events are handled by `Phone.run` alone, so that a script reads from top to bottom.
"""

import os
import time

import pjsua2 as pj

LOOPBACK = "127.0.0.1"
TRANSPORTS = {
    "udp": pj.PJSIP_TRANSPORT_UDP,
    "tcp": pj.PJSIP_TRANSPORT_TCP,
    "tls": pj.PJSIP_TRANSPORT_TLS,
}


def say(*words):
    print(*words, flush=True)


class Phone:
    """An endpoint with one transport. `here` is the address it binds, `believed` the one it believes to have, as
    behind a NAT that it does not know of.

    A TLS phone listens with `certificate` (files of a certificate and its key); without one it believes the
    authorities of the file TLS_CA only.
    """

    def __init__(self, transport="udp", here=LOOPBACK, believed="", certificate=None, vad=False):
        self.transport, self.here, self.believed = transport, here, believed
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.level = 1
        config.logConfig.consoleLevel = 1
        config.uaConfig.threadCnt = 0
        config.medConfig.noVad = not vad
        self.endpoint.libInit(config)
        settings = pj.TransportConfig()
        settings.port = 0
        settings.boundAddress, settings.publicAddress = here, believed
        if certificate:
            settings.tlsConfig.certFile, settings.tlsConfig.privKeyFile = certificate
        elif transport == "tls":
            settings.tlsConfig.CaListFile = os.environ["TLS_CA"]
            settings.tlsConfig.verifyServer = True
        self.transport_id = self.endpoint.transportCreate(TRANSPORTS[transport], settings)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()

    def port(self):
        return self.endpoint.transportGetInfo(self.transport_id).localName.rsplit(":", 1)[1]

    def account(self, uri, login=None, route=None, srtp=None):
        """Settings of an account. `login` is user and password, `route` the HOST:PORT of a proxy. With `srtp`: SRTP
        and nothing else, where 1 wants SIP over TLS for it and 0 does not.
        """
        config = pj.AccountConfig()
        config.idUri = uri
        if login:
            user, password = login
            config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
        if route:
            config.sipConfig.proxies.append("sip:%s;transport=%s;lr" % (route, self.transport))
        if srtp is not None:
            config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
            config.mediaConfig.srtpSecureSignaling = srtp
        media = config.mediaConfig.transportConfig
        media.boundAddress, media.publicAddress = self.here, self.believed
        media.port = media.portRange = 0
        return config

    def run(self, seconds, until=lambda: False):
        """Handles events for this time, or until that holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self.endpoint.libHandleEvents(10)

    def hang_up(self, calls):
        """Ends what is still up."""
        for call in calls:
            if not call.over:
                call.hangup(pj.CallOpParam())
        self.run(5, lambda: all(call.over for call in calls))

    def end(self, calls=()):
        """What a call holds goes before the endpoint that it belongs to."""
        for call in calls:
            call.recorder = call.source = None
        self.endpoint.libDestroy()


class Call(pj.Call):
    """A call that says `state NAME TEXT STATUS`, without NAME where it has none."""

    def __init__(self, account, name=None, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(account, call_id)
        self.name = name
        self.up = self.over = False
        self.recorder = self.source = None

    def say(self, word, *more):
        say(word, *([] if self.name is None else [self.name]), *more)

    def onCallState(self, prm):
        info = self.getInfo()
        self.say("state", info.stateText, info.lastStatusCode)
        self.up = self.up or info.state == pj.PJSIP_INV_STATE_CONFIRMED
        self.over = info.state == pj.PJSIP_INV_STATE_DISCONNECTED

    def has_audio(self):
        info = self.getInfo()  # kept: its media list lives as long as it does
        return any(
            media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE
            for media in info.media
        )

    def record(self, wav):
        """Writes what is heard from now on to the file, across offers."""
        if self.recorder is None:
            self.recorder = pj.AudioMediaRecorder()
            self.recorder.createRecorder(wav)
        self.getAudioMedia(-1).startTransmit(self.recorder)

    def take(self):
        parameters = pj.CallOpParam()
        parameters.statusCode = 200
        self.answer(parameters)

    def offer_again(self, flag):
        """A re-INVITE with this flag of pjsua."""
        parameters = pj.CallOpParam(True)
        parameters.opt.flag = flag
        self.reinvite(parameters)
