"""Parties of calls, each with SIP and media of its own, for scripts that say what they do and when.

The script's arguments begin with the gateway's SIP address (of TLS where calls are secure), the domain and
the port of the first callee; for secure calls also the gateway's authorities, the callees' certificate and
its key. Then SIP is TLS (Python's, by OpenSSL) and media SRTP (libsrtp2). Whoever speaks sends samples of
one level, another one for each check; whoever listens reads them off what comes to its present address.
What does not hold raises `Wrong`.
"""

import base64
import functools
import os
import re
import select
import socket
import ssl
import struct
import sys
import time

gateway, domain, callee_port, *files = sys.argv[1:]
files, more = files[:3], files[3:]
host, port = gateway.rsplit(":", 1)
GATEWAY = (host, int(port))
SECURE = bool(files)
if SECURE:
    from pylibsrtp import Policy, Session

PCMU, PCMA = 0, 8
STARTED = time.monotonic()


def ulaw(byte):
    byte = ~byte & 0xFF
    size = (((byte & 15) << 3) + 132 << (byte >> 4 & 7)) - 132
    return -size if byte & 128 else size


def alaw(byte):
    byte ^= 0x55
    size = (byte & 15) * 16 + 8
    segment = byte >> 4 & 7
    if segment:
        size = size + 256 << segment - 1
    return size if byte & 128 else -size


DECODE = {PCMU: [ulaw(byte) for byte in range(256)], PCMA: [alaw(byte) for byte in range(256)]}


@functools.cache
def encode(codec, level):
    return min(range(256), key=lambda byte: abs(DECODE[codec][byte] - level))


def like(heard, level):
    return abs(heard - level) <= 60 + level * 0.07


class Wrong(Exception):
    pass


class Udp:
    """SIP by datagrams."""

    name = "UDP"

    def __init__(self, own_port=0):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", own_port))
        self.local = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.gateway = GATEWAY

    def sockets(self):
        return [self.socket]

    def send(self, text, _=None):
        self.socket.sendto(text.encode(), self.gateway)

    def receive(self, _):
        text, self.gateway = self.socket.recvfrom(65536)
        return [text.decode()]


class Tls:
    """SIP by TLS streams: one that we open, or one that the gateway opens."""

    name = "TLS"

    def __init__(self, own_port=None):
        self.streams, self.waiting, self.listener = [], {}, None
        self.asked_by = {}
        if own_port is None:
            self.connect()
            self.local = "127.0.0.1:%d" % self.streams[-1].getsockname()[1]
        else:
            self.listener = socket.create_server(("127.0.0.1", own_port))
            self.local = "127.0.0.1:%d" % own_port

    def connect(self):
        """A new stream: what is sent from now on goes by it."""
        context = ssl.create_default_context(cafile=files[0])
        plain = socket.create_connection(GATEWAY)
        self.add(context.wrap_socket(plain, server_hostname=domain))

    def accept(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files[1], files[2])
        self.add(context.wrap_socket(self.listener.accept()[0], server_side=True))

    def add(self, stream):
        stream.setblocking(False)
        self.streams.append(stream)

    def sockets(self):
        return self.streams + ([self.listener] if self.listener else [])

    def send(self, text, request=None):
        """A response goes back the way its request came."""
        self.asked_by.get(request, self.streams[-1]).sendall(text.encode())

    def receive(self, ready):
        if ready is self.listener:
            self.accept()
            return []
        try:
            data = ready.recv(65536)
            while ready.pending():
                data += ready.recv(65536)
        except ssl.SSLWantReadError:
            return []
        if not data:
            self.streams.remove(ready)
            return []
        if data == b"\r\n\r\n":
            ready.sendall(b"\r\n")  # a keep-alive (RFC 5626 section 3.5.1)
            return []
        text = self.waiting.pop(ready, "") + data.decode()
        found = []
        while "\r\n\r\n" in text:
            head, _, rest = text.partition("\r\n\r\n")
            length = int(header(head + "\r\n", "Content-Length"))
            if len(rest) < length:
                break
            found.append(head + "\r\n\r\n" + rest[:length])
            self.asked_by[found[-1]] = ready
            text = rest[length:]
        self.waiting[ready] = text
        return found


def header(message, name):
    found = re.search(r"(?im)^%s: *(.*?)\r?$" % name, message)
    return found.group(1) if found else ""


def media_socket(address="127.0.0.1"):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    return made


class Party:
    """One side of a call: its dialog, and its media with all addresses that it ever had."""

    def __init__(self, name, own_port=None, secure=SECURE):
        self.name, self.secure = name, secure
        kind = Tls if secure else Udp
        self.wire = kind() if own_port is None else kind(own_port)
        self.inbox = []
        self.ssrc = int.from_bytes(os.urandom(4), "big")
        self.sequence, self.timestamp, self.due = 100, 1000, 0.0
        self.level, self.talks = 0, True
        self.forget_call()

    def forget_call(self):
        self.media, self.left = media_socket(), []
        self.codec, self.events, self.direction, self.connection = PCMU, 101, "sendrecv", None
        self.key, self.gateway_key = os.urandom(30), None
        self.sender = self.new_sender = self.receiver = None
        self.remote, self.version, self.cseq = None, 1, 0
        self.to = self.own = self.target = self.call_id = None
        self.heard, self.elsewhere, self.digits = [], 0, []

    # Media.

    def sdp(self):
        address, own_port = self.media.getsockname()
        lines = [
            "v=0",
            "o=%s 1 %d IN IP4 %s" % (self.name, self.version, address),
            "s=-",
            "c=IN IP4 %s" % (self.connection or address),
            "t=0 0",
            "m=audio %d RTP/%s %d %d" % (own_port, "SAVP" if self.secure else "AVP", self.codec, self.events),
            "a=rtpmap:%d telephone-event/8000" % self.events,
            "a=rtcp-mux",
            "a=" + self.direction,
        ]
        if self.secure:
            encoded = base64.b64encode(self.key).decode()
            lines.append("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + encoded)
        return "\r\n".join(lines) + "\r\n"

    def take_sdp(self, body):
        """What the gateway says of its side; where it is and its key stay for the life of the call."""
        remote = (re.search(r"(?m)^c=IN IP4 (\S+)", body).group(1), int(re.search(r"(?m)^m=audio (\d+)", body).group(1)))
        if self.remote not in (None, remote):
            raise Wrong("the gateway moved from %s to %s" % (self.remote, remote))
        self.remote = remote
        if self.secure:
            key = base64.b64decode(re.search(r"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:(\S+)", body).group(1))
            if self.gateway_key not in (None, key):
                raise Wrong("the gateway changed its key")
            if self.gateway_key is None:
                self.receiver = session(key, Policy.SSRC_ANY_INBOUND)
            self.gateway_key = key
            if self.sender is None:
                self.sender = session(self.key, Policy.SSRC_ANY_OUTBOUND)
        return re.search(r"(?m)^a=(sendrecv|sendonly|recvonly|inactive)", body).group(1)

    def send_rtp(self, kind, payload, timestamp, marker=0):
        packet = struct.pack("!BBHII", 0x80, kind | marker, self.sequence, timestamp & 0xFFFFFFFF, self.ssrc)
        self.sequence = self.sequence + 1 & 0xFFFF
        packet += payload
        self.media.sendto(self.sender.protect(packet) if self.secure else packet, self.remote)

    def speak(self, now):
        if self.remote and self.talks and now >= self.due:
            self.due = max(self.due + 0.02, now - 0.1)
            self.timestamp += 160
            self.send_rtp(self.codec, bytes([encode(self.codec, self.level)]) * 160, self.timestamp)

    def press(self, digit):
        start = self.timestamp
        for step in range(1, 8):
            self.timestamp += 160
            over = 0x80 if step > 5 else 0
            self.send_rtp(self.events, struct.pack("!BBH", digit, over | 10, min(step, 6) * 160), start, 0x80 * (step == 1))

    def hear(self, ready):
        packet, source = ready.recvfrom(2048)
        if 192 <= packet[1] <= 223 or self.remote is None:
            return  # a report, or media that is quicker than the 200
        if ready is not self.media:
            self.elsewhere += 1
            return
        if self.secure:
            packet = self.receiver.unprotect(packet)
        kind, payload = packet[1] & 0x7F, packet[12:]
        if source != self.remote:
            raise Wrong("%s hears %s, not %s" % (self.name, source, self.remote))
        if kind == self.events:
            self.digits.append(payload[0])
        elif kind in DECODE:
            self.heard.append((kind, DECODE[kind][payload[80]]))
        else:
            raise Wrong("%s hears payload type %d" % (self.name, kind))

    # SIP.

    def request(self, method, body="", cseq=None, more=""):
        cseq = cseq or self.cseq
        kind = "Content-Type: application/sdp\r\n" if body else ""
        self.wire.send(
            "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\n"
            "Call-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:%s@%s;transport=%s>\r\n%s%sContent-Length: %d\r\n\r\n%s"
            % (method, self.target, self.wire.name, self.wire.local, os.urandom(6).hex(), self.own, self.to, self.call_id,
               cseq, method, self.name, self.wire.local, self.wire.name.lower(), more, kind, len(body), body)
        )

    def respond(self, request, status, body="", more=""):
        vias = "".join("Via: %s\r\n" % via for via in re.findall(r"(?im)^Via: *(.*?)\r?$", request))
        kind = "Content-Type: application/sdp\r\n" if body else ""
        to = header(request, "To")
        to += "" if ";tag=" in to else ";tag=" + self.name
        self.wire.send(
            "SIP/2.0 %s\r\n%sFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <sip:%s@%s;transport=%s>\r\n"
            "%s%sContent-Length: %d\r\n\r\n%s"
            % (status, vias, header(request, "From"), to, header(request, "Call-ID"), header(request, "CSeq"), self.name,
               self.wire.local, self.wire.name.lower(), more, kind, len(body), body),
            request,
        )

    def call(self, user, more=""):
        self.forget_call()
        self.target = "sip:%s@%s" % (user, domain)
        self.to, self.own, self.call_id = "<%s>" % self.target, "<sip:alice@example.org>;tag=alice", os.urandom(8).hex()
        self.cseq = 1
        self.request("INVITE", self.sdp(), more=more)

    def hear_early(self):
        """A reliable 183 with the answer, and its PRACK (RFC 3262)."""
        progress = self.wait_for(lambda text: text.startswith("SIP/2.0 183") and header(text, "RSeq"))
        self.to, self.target = header(progress, "To"), header(progress, "Contact").strip("<>")
        self.take_sdp(progress.partition("\r\n\r\n")[2])
        self.cseq += 1
        self.request("PRACK", more="RAck: %s 1 INVITE\r\n" % header(progress, "RSeq"))
        self.final("PRACK")

    def confirm_without_sdp(self):
        response = self.final("INVITE", 1)
        if response.partition("\r\n\r\n")[2]:
            raise Wrong("SDP again: " + response)
        self.request("ACK", cseq=1)

    def confirm(self, answer_direction="sendrecv"):
        """200 and ACK."""
        response = self.final("INVITE")
        self.to, self.target = header(response, "To"), header(response, "Contact").strip("<>")
        self.request("ACK")
        self.expect_direction(self.take_sdp(response.partition("\r\n\r\n")[2]), answer_direction)

    def expect_direction(self, said, wanted):
        if said != wanted:
            raise Wrong("the gateway says %s to %s of %s" % (said, self.direction, self.name))

    def final(self, method, cseq=None):
        number = "%d %s" % (cseq or self.cseq, method)
        response = self.wait_for(lambda text: re.match(r"SIP/2.0 [2-6]", text) and header(text, "CSeq") == number)
        if not response.startswith("SIP/2.0 200"):
            raise Wrong("%s of %s: %s" % (method, self.name, response))
        return response

    def wait_for(self, wanted, seconds=None):
        def found():
            return next((text for text in self.inbox if wanted(text)), None)

        run(seconds or PATIENCE, found, lambda: "nothing came that %s waits for: %s" % (self.name, self.inbox))
        text = found()
        self.inbox.remove(text)
        return text

    def wait_for_request(self, method, seconds=None):
        return self.wait_for(lambda text: text.startswith(method + " "), seconds)

    def ring(self, seconds=None):
        """Takes the gateway's INVITE."""
        self.forget_call()
        self.invite = self.wait_for_request("INVITE", seconds)
        self.own, self.to = header(self.invite, "To") + ";tag=" + self.name, header(self.invite, "From")
        self.call_id, self.target = header(self.invite, "Call-ID"), header(self.invite, "Contact").strip("<>")

    def answer(self, status="200 OK"):
        self.respond(self.invite, status, self.sdp())
        self.take_sdp(self.invite.partition("\r\n\r\n")[2])
        if status.startswith("200"):
            self.wait_for_request("ACK")

    def progress_reliably(self):
        """183 with SDP; the PRACK has to come."""
        if "100rel" not in header(self.invite, "Supported"):
            raise Wrong("100rel is not offered: " + self.invite)
        self.respond(self.invite, "183 Session Progress", self.sdp(), "Require: 100rel\r\nRSeq: 7\r\n")
        self.take_sdp(self.invite.partition("\r\n\r\n")[2])
        prack = self.wait_for_request("PRACK")
        if header(prack, "RAck") != "7 " + header(self.invite, "CSeq"):
            raise Wrong("not the right response is confirmed: " + prack)
        self.respond(prack, "200 OK")

    def change(self, method="INVITE", wanted="sendrecv", **what):
        self.prepare(**what)
        self.offer(method)
        self.settle(method, wanted)

    def offer(self, method="INVITE"):
        """Says nothing until the answer is there: what comes meanwhile is the gateway's old media."""
        self.talks = False
        self.cseq += 1
        self.request("INVITE" if method == "late" else method, "" if method == "late" else self.sdp())

    def settle(self, method="INVITE", wanted="sendrecv"):
        response = self.final("INVITE" if method == "late" else method)
        said = self.take_sdp(response.partition("\r\n\r\n")[2])
        self.expect_direction(said, "sendrecv" if method == "late" else wanted)
        if method != "UPDATE":
            self.request("ACK", self.sdp() if method == "late" else "")
        if self.new_sender:
            self.sender, self.new_sender = self.new_sender, None
        self.talks = True

    def prepare(self, address=None, new_key=False, refresh=False, **fields):
        self.version += 0 if refresh else 1
        if address:
            self.left.append(self.media)
            self.media = media_socket(address)
        if new_key:
            self.key = os.urandom(30)
            self.new_sender = session(self.key, Policy.SSRC_ANY_OUTBOUND)
        for name, value in fields.items():
            setattr(self, name, value)

    def hang_up(self):
        self.cseq += 1
        self.request("BYE")
        self.final("BYE")


def session(key, kind):
    return Session(policy=Policy(key=key, ssrc_type=kind, srtp_profile=Policy.SRTP_PROFILE_AES128_CM_SHA1_80))


parties = []


def turn():
    now = time.monotonic()
    readers = {}
    for party in parties:
        party.speak(now)
        for one in party.wire.sockets():
            readers[one] = party.wire
        for one in [party.media] + party.left:
            readers[one] = party
    for ready in select.select(list(readers), [], [], 0.005)[0]:
        owner = readers[ready]
        if isinstance(owner, Party):
            owner.hear(ready)
        else:
            next(party for party in parties if party.wire is owner).inbox.extend(owner.receive(ready))


def run(seconds, until=lambda: False, otherwise=None):
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            if otherwise:
                raise Wrong(otherwise())
            return
        turn()


levels = [round(1200 * 1.23**step) for step in range(14)]


def passes(*pairs):
    """What the first says from now on is what the second hears, where it is now and in its codec."""
    for speaker, listener in pairs:
        following = (levels.index(speaker.level) + 3) % len(levels) if speaker.level else len(speaker.name)
        speaker.level = levels[following]
    for speaker, listener in pairs:
        hears(listener, speaker.level)


def hears(listener, level):
    """Packets of that level come, one after another, in the listener's codec, and to no address it has left."""
    last = latest(listener, 4, lambda heard: like(heard, level), "%s does not hear %d" % (listener.name, level))
    if {kind for kind, _ in last} != {listener.codec}:
        raise Wrong("%s hears payload types %s" % (listener.name, last))
    # Nothing is on its way any more to where the listener was.
    listener.elsewhere = 0
    latest(listener, 2, lambda heard: like(heard, level), "%s hears %d no more" % (listener.name, level))
    if listener.elsewhere:
        raise Wrong("%d packets came to an address that %s has left" % (listener.elsewhere, listener.name))


def silent(listener):
    """Packets come, and nothing is in them."""
    latest(listener, 5, lambda heard: abs(heard) <= 60, "%s gets no silence" % listener.name)


def latest(listener, count, wanted, otherwise):
    """Waits until so many packets in a row are as wanted; those. What came before is forgotten."""
    listener.heard.clear()

    def are_there():
        last = listener.heard[-count:]
        return len(last) == count and all(wanted(heard) for _, heard in last)

    run(PATIENCE, are_there, lambda: "%s: %s" % (otherwise, listener.heard[-8:]))
    return listener.heard[-count:]


def nothing(listener):
    """No packet comes any more."""
    end = time.monotonic() + PATIENCE
    while True:
        listener.heard.clear()
        run(0.12)
        if not listener.heard:
            return
        if time.monotonic() > end:
            raise Wrong("%s hears %s" % (listener.name, listener.heard[-8:]))


# Seconds; a machine that builds at the same time is slow.
PATIENCE = 15


def say(*words):
    print("ok", *words, "at %d ms" % ((time.monotonic() - STARTED) * 1000), flush=True)


def both(one, other, *words):
    """They hear each other."""
    passes((one, other), (other, one))
    say(*words)
