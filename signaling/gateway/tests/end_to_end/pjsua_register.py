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
import pjsua
from pjsua import say

registrar, transport, user, password, domain, wav, seconds, here, believed = sys.argv[1:]


class Call(pjsua.Call):
    since = None

    def onCallState(self, prm):
        was_up = self.up
        super().onCallState(prm)
        if self.up and not was_up:
            self.since = time.monotonic()

    def onCallMediaState(self, prm):
        if self.has_audio():
            self.record(wav)
            self.source = pj.ToneGenerator()
            self.source.createToneGenerator()
            tone = pj.ToneDesc()
            tone.freq1, tone.freq2, tone.on_msec, tone.off_msec = 440, 0, 1000, 0
            self.source.play(pj.ToneDescVector([tone]), True)
            self.source.startTransmit(self.getAudioMedia(-1))


class Account(pj.Account):
    def __init__(self):
        super().__init__()
        self.calls = []

    def onRegState(self, prm):
        say("registration", prm.code, prm.expiration)

    def onIncomingCall(self, prm):
        say("incoming")
        call = Call(self, call_id=prm.callId)
        self.calls.append(call)
        call.take()


phone = pjsua.Phone(transport, here, believed)
srtp = 1 if "SRTP" in os.environ else None
config = phone.account("sip:%s@%s" % (user, domain), (user, password), registrar, srtp)
config.regConfig.registrarUri = "sip:%s" % domain
config.regConfig.timeoutSec = 3600
# It stays as it believes to be, whatever the other side sees.
config.natConfig.contactRewriteUse = 0
config.natConfig.viaRewriteUse = 0
config.natConfig.sdpNatRewriteUse = 0
account = Account()
account.create(config)


def all_over():
    for call in account.calls:
        if call.since and time.monotonic() - call.since > 3 and not call.over:
            call.since = None
            call.hangup(pj.CallOpParam())
    return account.calls and all(call.over for call in account.calls)


phone.run(float(seconds), all_over)
account.setRegistration(False)
phone.run(1)
say("over")
phone.end(account.calls)
