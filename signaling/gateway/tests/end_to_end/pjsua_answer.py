"""A pjsua2 phone that listens for SIP over TCP, or TLS with a certificate, and answers calls by itself.

Arguments: seconds to stay, transport (tcp or tls), for TLS the certificate (PEM) and its key. Prints
`listening PORT`, then one line for each thing that happens to its calls; ends after a call is over.
"""

import sys
import time

import pjsua2 as pj

seconds, transport_name, *files = sys.argv[1:]


def say(*words):
    print(*words, flush=True)


class Call(pj.Call):
    over = False

    def onCallState(self, prm):
        info = self.getInfo()
        say("state", info.stateText, info.lastStatusCode)
        self.over = info.state == pj.PJSIP_INV_STATE_DISCONNECTED


class Account(pj.Account):
    call = None

    def onIncomingCall(self, prm):
        self.call = Call(self, prm.callId)
        message = prm.rdata.wholeMsg.splitlines()
        say("incoming", self.call.getInfo().remoteContact, message[0])
        say("came from", prm.rdata.srcAddress)
        for line in message:
            if line.startswith(("Via:", "Contact:", "c=")):
                say("says", line)
        parameters = pj.CallOpParam()
        parameters.statusCode = 200
        self.call.answer(parameters)


endpoint = pj.Endpoint()
endpoint.libCreate()
config = pj.EpConfig()
config.logConfig.level = 1
config.logConfig.consoleLevel = 1
config.uaConfig.threadCnt = 0
endpoint.libInit(config)
transport = pj.TransportConfig()
transport.port = 0
transport.boundAddress = "127.0.0.1"
if transport_name == "tls":
    transport.tlsConfig.certFile, transport.tlsConfig.privKeyFile = files
    kind = endpoint.transportCreate(pj.PJSIP_TRANSPORT_TLS, transport)
else:
    kind = endpoint.transportCreate(pj.PJSIP_TRANSPORT_TCP, transport)
endpoint.libStart()
endpoint.audDevManager().setNullDev()
account_config = pj.AccountConfig()
account_config.idUri = "sip:bob@127.0.0.1;transport=%s" % transport_name
account_config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
account_config.mediaConfig.transportConfig.port = 0
account_config.mediaConfig.transportConfig.portRange = 0
account = Account()
account.create(account_config)
say("listening", endpoint.transportGetInfo(kind).localName.rsplit(":", 1)[1])

end = time.monotonic() + float(seconds)
while time.monotonic() < end and not (account.call and account.call.over):
    endpoint.libHandleEvents(20)
say("over")
endpoint.libDestroy()
