"""A pjsua2 phone that listens for SIP over TCP, or TLS with a certificate, and answers calls by itself.

Arguments: seconds to stay, transport (tcp or tls), for TLS the certificate (PEM) and its key. Prints
`listening PORT`, then one line for each thing that happens to its calls; ends after a call is over.
"""

import sys

import pjsua2 as pj
from pjsua import Call, Phone, say

seconds, transport, *files = sys.argv[1:]


class Account(pj.Account):
    call = None

    def onIncomingCall(self, prm):
        self.call = Call(self, call_id=prm.callId)
        message = prm.rdata.wholeMsg.splitlines()
        say("incoming", self.call.getInfo().remoteContact, message[0])
        say("came from", prm.rdata.srcAddress)
        for line in message:
            if line.startswith(("Via:", "Contact:", "c=")):
                say("says", line)
        self.call.take()


phone = Phone(transport, certificate=files, vad=True)
account = Account()
account.create(phone.account("sip:bob@127.0.0.1;transport=%s" % transport))
say("listening", phone.port())
phone.run(float(seconds), lambda: account.call and account.call.over)
say("over")
phone.end()
