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

import pjsua2 as pj
import pjsua
from pjsua import say

target, user, password, codec, wav, *steps = sys.argv[1:]
says, proxy = os.environ.get("SAYS"), os.environ.get("TLS_PROXY")


class Call(pjsua.Call):
    def onCallMediaState(self, prm):
        info = self.getInfo()  # kept: its media list lives as long as it does
        for media in info.media:
            say("media", media.status)
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                say("media at", self.getMedTransportInfo(media.index).localRtpName)
        if self.has_audio():
            self.record(wav)
            if says and self.source is None:
                self.source = pj.AudioMediaPlayer()
                self.source.createPlayer(says)
                self.source.startTransmit(self.getAudioMedia(-1))


phone = pjsua.Phone("tls" if proxy else "udp", vad=says is not None)
for known in phone.endpoint.codecEnum2():
    is_ours = known.codecId.startswith(codec)
    phone.endpoint.codecSetPriority(known.codecId, 255 if is_ours else 0)
    if says and is_ours:
        parameters = phone.endpoint.codecGetParam(known.codecId)
        parameters.setting.vad = True
        phone.endpoint.codecSetParam(known.codecId, parameters)

srtp = None
if steps[:1] == ["srtp"]:
    steps, srtp = steps[1:], 0
account = pj.Account()
account.create(phone.account("sip:%s@127.0.0.1" % user, (user, password), proxy, srtp))

call = Call(account)
call.makeCall(target, pj.CallOpParam(True))
phone.run(20, lambda: call.up or call.over)
for step in steps:
    if call.over:
        break
    name, _, value = step.partition("=")
    if name == "press":
        call.dialDtmf(value)
    elif name == "hold":
        call.setHold(pj.CallOpParam(True))
    elif name == "resume":
        call.offer_again(pj.PJSUA_CALL_UNHOLD)
    elif name == "reinit":
        call.offer_again(pj.PJSUA_CALL_REINIT_MEDIA)
    elif name == "hangup":
        call.hangup(pj.CallOpParam())
    elif name == "wait":
        phone.run(float(value), lambda: call.over)
    say("did", step)
phone.run(30, lambda: call.over)
phone.hang_up([call])
say("over" if call.over else "still up")
phone.end([call])
