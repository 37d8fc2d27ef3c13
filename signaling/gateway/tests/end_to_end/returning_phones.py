"""Phones that register over TLS by OpenSSL, each by a connection of its own.

Arguments: file of authorities, domain, password, and how many users (u0 and on). Each line of
standard input is an address (HOST:PORT): all phones connect there at once and register, without a second
try; `first` before it lets the first phone register before the others come. Prints `registered` with the
count and what failed, and `gone` when all connections have ended. Ends with its input.
"""

import asyncio
import hashlib
import re
import ssl
import sys

authorities, domain, password, count = sys.argv[1:]
context = ssl.create_default_context(cafile=authorities)


def say(*words):
    print(*words, flush=True)


def md5(*parts):
    return hashlib.md5(":".join(parts).encode()).hexdigest()


def authorization(user, challenge, uri):
    value = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm, nonce = value["realm"], value["nonce"]
    secret, request = md5(user, realm, password), md5("REGISTER", uri)
    response = md5(secret, nonce, "00000001", "c1", "auth", request)
    more = f', opaque="{value["opaque"]}"' if "opaque" in value else ""
    return (
        f'Authorization: Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
        f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c1"{more}\r\n'
    )


class Phone:
    def __init__(self, number):
        self.user = f"u{number}"
        self.cseq = 0
        self.streams = None

    async def register(self, host, port):
        reader, writer = self.streams = await asyncio.open_connection(
            host, port, ssl=context, server_hostname=domain, ssl_handshake_timeout=20
        )
        answer = await self.ask(reader, writer, "")
        offered = re.findall(r"(?im)^WWW-Authenticate: (Digest [^\r\n]*)", answer)
        challenge = next(one for one in offered if "SHA-256" not in one)
        login = authorization(self.user, challenge, f"sip:{domain}")
        answer = await self.ask(reader, writer, login)
        if not answer.startswith("SIP/2.0 200 "):
            raise RuntimeError(answer)

    async def ask(self, reader, writer, login):
        self.cseq += 1
        host, port = writer.get_extra_info("sockname")[:2]
        user, cseq = self.user, self.cseq
        writer.write(
            (
                f"REGISTER sip:{domain} SIP/2.0\r\n"
                f"Via: SIP/2.0/TLS {host}:{port};rport;branch=z9hG4bK{user}x{cseq}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:{user}@{domain}>;tag=t\r\nTo: <sip:{user}@{domain}>\r\n"
                f"Call-ID: {user}\r\nCSeq: {cseq} REGISTER\r\n"
                f"Contact: <sip:{user}@{host}:{port};transport=tls>\r\nExpires: 3600\r\n"
                f"{login}Content-Length: 0\r\n\r\n"
            ).encode()
        )
        await writer.drain()
        return (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode()

    async def stay(self):
        reader, writer = self.streams
        try:
            while await reader.read(4096):
                pass
        except (ConnectionError, ssl.SSLError):
            pass
        writer.close()


async def main():
    phones = [Phone(number) for number in range(int(count))]
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        *how, address = line.split()
        host, port = address.rsplit(":", 1)
        together = phones
        if how:
            await phones[0].register(host, int(port))
            together = phones[1:]
        results = await asyncio.gather(
            *(phone.register(host, int(port)) for phone in together), return_exceptions=True
        )
        failed = [repr(result) for result in results if result]
        say("registered", len(phones) - len(failed), *failed[:3])
        if failed:
            return
        await asyncio.gather(*(phone.stay() for phone in phones))
        say("gone")


asyncio.run(main())
