"""A caller with SRTP by libsrtp2 (pylibsrtp), and a callee in the clear that echoes: both ends of a bridge.

Arguments: the gateway's SIP address, the domain, the callee's port, how many packets. The caller begins
short of the wrap of its sequence numbers, offers the same key again three times on the way, then a new
one, and compares each packet that comes back. Prints one line of figures for each stage.
"""

import base64
import os
import re
import socket
import struct
import sys
import time

from pylibsrtp import Error, Policy, Session

gateway, domain, callee_port, packets = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
host, port = gateway.rsplit(":", 1)
GATEWAY = (host, int(port))
WINDOW = 16


def udp(port=0):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    made.bind(("127.0.0.1", port))
    made.settimeout(5)
    return made


def policy(key, kind):
    return Policy(key=key, ssrc_type=kind, srtp_profile=Policy.SRTP_PROFILE_AES128_CM_SHA1_80)


def sender(key):
    return Session(policy=policy(key, Policy.SSRC_ANY_OUTBOUND))


def sdp(media, protocol, more):
    return (
        "v=0\r\no=- 1 %d IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=audio %d %s 0\r\n%s" % (time.monotonic_ns(), media.getsockname()[1], protocol, more)
    )


def header(message, name):
    return re.search(r"(?im)^%s: *(.*?)\r?$" % name, message).group(1)


class Callee:
    """Answers one INVITE in the clear."""

    def __init__(self):
        self.sip, self.media = udp(callee_port), udp()

    def answer(self):
        request, source = self.sip.recvfrom(65536)
        request = request.decode()
        assert request.startswith("INVITE "), request
        self.respond(request, source, "200 OK", sdp(self.media, "RTP/AVP", ""))
        assert self.sip.recvfrom(65536)[0].startswith(b"ACK ")
        return request

    def respond(self, request, source, status, body=""):
        vias = "".join("Via: %s\r\n" % via for via in re.findall(r"(?im)^Via: *(.*?)\r?$", request))
        kind = "Content-Type: application/sdp\r\n" if body else ""
        self.sip.sendto(
            (
                "SIP/2.0 %s\r\n%sFrom: %s\r\nTo: %s;tag=bob\r\nCall-ID: %s\r\nCSeq: %s\r\n"
                "Contact: <sip:bob@127.0.0.1:%d>\r\n%sContent-Length: %d\r\n\r\n%s"
                % (status, vias, header(request, "From"), header(request, "To"), header(request, "Call-ID"),
                   header(request, "CSeq"), callee_port, kind, len(body), body)
            ).encode(),
            source,
        )


class Caller:
    """Calls and offers anew; its media is SRTP."""

    def __init__(self):
        self.sip, self.media = udp(), udp()
        self.uri = "sip:1000@%s" % domain
        self.to, self.target, self.cseq = "<%s>" % self.uri, self.uri, 0
        self.call_id = os.urandom(8).hex()
        self.key = os.urandom(30)
        self.remote = None
        self.gateway_key = None

    def request(self, method, body=""):
        kind = "Content-Type: application/sdp\r\n" if body else ""
        local = "127.0.0.1:%d" % self.sip.getsockname()[1]
        self.sip.sendto(
            (
                "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n"
                "From: <sip:alice@example.org>;tag=alice\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n"
                "Contact: <sip:alice@%s>\r\n%sContent-Length: %d\r\n\r\n%s"
                % (method, self.target, local, os.urandom(6).hex(), self.to, self.call_id, self.cseq, method,
                   local, kind, len(body), body)
            ).encode(),
            GATEWAY,
        )

    def offer(self, callee=None):
        """INVITE or re-INVITE with the present key; the gateway's key must stay the same."""
        self.cseq += 1
        crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:%s\r\na=rtcp-mux\r\n"
        encoded = base64.b64encode(self.key).decode()
        self.request("INVITE", sdp(self.media, "RTP/SAVP", crypto % encoded))
        if callee:
            callee.answer()
        while True:
            response = self.sip.recv(65536).decode()
            status = int(response.split(" ")[1])
            if status >= 300:
                sys.exit("refused: " + response)
            if status == 200 and header(response, "CSeq") == "%d INVITE" % self.cseq:
                break
        self.to, self.target = header(response, "To"), header(response, "Contact").strip("<>")
        self.request("ACK")
        assert re.search(r"(?m)^m=audio \d+ RTP/SAVP 0", response), response
        key = base64.b64decode(re.search(r"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:(\S+)", response).group(1))
        assert self.gateway_key in (None, key), "the gateway changed its key"
        self.gateway_key = key
        self.remote = ("127.0.0.1", int(re.search(r"(?m)^m=audio (\d+)", response).group(1)))


class Stream:
    """What goes round: numbered payloads, so that what comes back says what it was."""

    def __init__(self, caller, callee):
        self.caller, self.callee = caller, callee
        self.sender = sender(caller.key)
        self.receiver = Session(policy=policy(caller.gateway_key, Policy.SSRC_ANY_INBOUND))
        self.number, self.echo, self.waiting = 0, 0, set()
        self.compared, self.reports, self.wraps, self.last = 0, 0, 0, None
        self.gateway_media = None

    def packet(self, number, ssrc, first):
        sequence = (first + number) & 0xFFFF
        return struct.pack("!BBHII", 0x80, 0, sequence, number * 160 & 0xFFFFFFFF, ssrc)

    def speak(self, session):
        payload = struct.pack("!I", self.number) * 40
        packet = self.packet(self.number, 0xA11CE, 65400) + payload
        self.caller.media.sendto(session.protect(packet), self.caller.remote)
        self.waiting.add(payload)
        self.number += 1
        while True:
            heard, self.gateway_media = self.callee.media.recvfrom(2048)
            if heard[12:] == payload:
                break
        self.callee.media.sendto(self.packet(self.echo, 0xB0B, 65400) + payload, self.gateway_media)
        # As if six of seven were lost before the gateway: the relay keeps holes, so its numbers wrap too.
        self.echo += 7

    def hear(self):
        packet = self.caller.media.recv(2048)
        if 192 <= packet[1] <= 223:
            self.receiver.unprotect_rtcp(packet)
            self.reports += 1
            return
        opened = self.receiver.unprotect(packet)
        sequence = struct.unpack("!H", opened[2:4])[0]
        if self.last is not None and self.last - sequence > 0x8000:
            self.wraps += 1
        self.last = sequence
        if opened[12:] in self.waiting:
            self.waiting.discard(opened[12:])
            self.compared += 1

    def run(self, count, session):
        for _ in range(count):
            self.speak(session)
            while len(self.waiting) >= WINDOW:
                self.hear()
        while self.waiting:
            self.hear()

    def report(self):
        """A receiver report, protected."""
        plain = struct.pack("!BBHI", 0x80, 201, 1, 0xA11CE)
        self.caller.media.sendto(self.sender.protect_rtcp(plain), self.caller.remote)


def say(*words):
    print(*words, flush=True)


caller, callee = Caller(), Callee()
caller.offer(callee)
stream = Stream(caller, callee)
stage = packets // 5
for offer in range(3):
    stream.run(stage, stream.sender)
    stream.report()
    caller.offer()
    say("same key", offer + 1, "compared", stream.compared)
stream.run(stage, stream.sender)
before, caller.key = stream.sender, os.urandom(30)
caller.offer()
# The core hears of a key by another way than of packets.
time.sleep(0.3)
stream.sender = sender(caller.key)
# Both keys at once, as when packets are still on the way.
for _ in range(20):
    stream.speak(before)
    stream.speak(stream.sender)
stream.run(packets - stream.number, stream.sender)
say("new key compared", stream.compared)
time.sleep(1.1)
packet = stream.packet(stream.number, 0xA11CE, 65400) + b"late" * 40
caller.media.sendto(before.protect(packet), caller.remote)
deadline = time.monotonic() + 8
while stream.reports == 0 and time.monotonic() < deadline:
    stream.hear()
say("over sent", stream.number, "compared", stream.compared, "reports", stream.reports > 0, "wraps", stream.wraps)
caller.cseq += 1
caller.request("BYE")
request, source = callee.sip.recvfrom(65536)
callee.respond(request.decode(), source, "200 OK")
