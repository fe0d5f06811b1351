"""A mail server for tests: aiosmtpd, told by one JSON argument how to behave.

Prints its port, and then a line of JSON for every mail that it takes.
"""

import asyncio
import email
import email.policy
import json
import logging
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

# What clients do wrong is the tests' affair.
logging.disable(logging.CRITICAL)
wanted = json.loads(sys.argv[1])
encryption = wanted["encryption"]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        refusal = wanted["refuses"].get(address)
        # Either the same for ever, or what to say to one attempt after the other before it is taken.
        if isinstance(refusal, list):
            refusal = refusal.pop(0) if refusal else None
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if wanted["refuses"].get("DATA"):
            return wanted["refuses"]["DATA"]
        content = email.message_from_bytes(envelope.content, policy=email.policy.default)
        mail = {
            "helo": session.host_name,
            "encrypted": session.ssl is not None or encryption == "tls",
            "login": session.auth_data,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": [[name, str(value)] for name, value in content.items()],
            "parts": {part.get_content_type(): part.get_content() for part in content.iter_parts()},
            "defects": [str(defect) for part in content.walk() for defect in part.defects],
            "ascii": envelope.content.isascii(),
        }
        print(json.dumps(mail), flush=True)
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, data):
    login = [data.login.decode(), data.password.decode()]
    known = login == wanted["login"]
    return AuthResult(success=known, handled=known, auth_data=login)


def context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(wanted["certificate"], wanted["key"])
    return context


def connection():
    return SMTP(
        Handler(),
        loop=asyncio.get_running_loop(),
        hostname="localhost",
        tls_context=context() if encryption == "starttls" else None,
        require_starttls=encryption == "starttls",
        authenticator=authenticate,
        auth_required=wanted["login"] is not None,
        auth_require_tls=encryption == "starttls",
        auth_exclude_mechanism=wanted["lacks"],
    )


async def main():
    tls = context() if encryption == "tls" else None
    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
