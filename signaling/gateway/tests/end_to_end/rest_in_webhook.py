# An application that asks about each call from inside the call's own webhooks, with the official SDK.
# Runs after `client` and `callee` are set up. Prints its port, then one line a webhook: path, CallStatus, and
# `ok` or what was missing.
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from twilio.base.exceptions import TwilioException

printing = threading.Lock()
# Every other status is final.
RANKS = {'queued': 0, 'initiated': 0, 'ringing': 1, 'in-progress': 2}


def look(form):
    """Everything that the API has below the call that a webhook names."""
    sid = form['CallSid']
    call = client.calls(sid).fetch()
    below = client.api.base_url + f'/2010-04-01/Accounts/{client.username}/Calls/{sid}'
    # Callbacks come one after the other: the call may be further than the one that is told.
    assert RANKS.get(call.status, 3) >= RANKS.get(form['CallStatus'], 3), call.status
    assert sid in [row.sid for row in client.calls.list(limit=200)], 'not in the list'
    if form['CallStatus'] not in RANKS:
        assert call.status == form['CallStatus'] and call.end_time, call.status
        assert sid in [row.sid for row in client.calls.list(status=call.status)], 'not by its status'
    if 'ParentCallSid' in form:
        parent = form['ParentCallSid']
        assert sid in [row.sid for row in client.calls.list(parent_call_sid=parent)], 'not by its parent'
    client.calls(sid).recordings.list()
    client.calls(sid).notifications.list()
    client.calls(sid).events.list()
    timeline = client.http_client.request('GET', below + '/Timeline.json', auth=(client.username, client.password))
    assert timeline.status_code == 200, timeline.text
    assert '"text"' in timeline.text, timeline.text


class Application(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length'])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        found = 'ok'
        try:
            look(form)
            if self.path == '/updated':
                client.calls(form['CallSid']).update(twiml='<Response><Reject reason="busy"/></Response>')
        except (AssertionError, TwilioException) as error:
            found = ' '.join(str(error).split())[:200]
        with printing:
            print(self.path, form['CallStatus'], found, flush=True)
        answer = {
            '/updated': '<Response><Pause length="5"/></Response>',
            '/dials': '<Response><Dial timeout="3"><Sip statusCallback="/child" statusCallbackEvent='
                      f'"initiated ringing answered completed">{callee}</Sip></Dial></Response>',
        }.get(self.path, '<Response/>').encode()
        self.send_response(200)
        self.send_header('Content-Type', 'text/xml')
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


server = ThreadingHTTPServer(('127.0.0.1', 0), Application)
print(server.server_address[1], flush=True)
server.serve_forever()
