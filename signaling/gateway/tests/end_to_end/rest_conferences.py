# Conferences and their participants with the official Python SDK. Runs after `client`, `agent`, `caller` (SIP URIs of
# two phones that answer) and `status` (a URL) are set up.
import time
from twilio.base.exceptions import TwilioRestException


def refused(status, code, act):
    try:
        act()
    except TwilioRestException as error:
        assert (error.status, error.code) == (status, code), (error.status, error.code, error.msg)
        return error
    raise AssertionError(f'not refused with {code}')


def until(what, act):
    deadline = time.monotonic() + 20
    while not (found := act()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


nobody = 32 * '0'
ops = client.conferences('ops')
refused(404, 20404, lambda: ops.participants('agent').fetch())
placed = ops.participants.create(
    to=agent, from_='alice', label='agent', beep='false', conference_status_callback=status,
    conference_status_callback_event=['start', 'end', 'join', 'leave', 'mute', 'hold'])
assert (placed.status, placed.label, placed.queue_time, placed.muted) == ('queued', 'agent', '0', False)
room = client.conferences(placed.conference_sid)
refused(400, 16026, lambda: room.participants.create(to=caller, from_='alice', label='agent'))
refused(400, 16024, lambda: room.participants.create(to=caller, from_='alice', label='a/b'))
refused(400, 20422, lambda: room.participants.create(to=caller, from_='alice', max_participants=1))
second = room.participants.create(to=caller, from_='alice', muted=True, early_media=False)
connected = lambda call: (found := room.participants(call).fetch()).status == 'connected' and found
until('the agent enters', lambda: connected('agent'))
until('the caller enters', lambda: connected(second.call_sid))

# The conference, by every filter.
row, = client.conferences.list(friendly_name='ops', status='in-progress')
assert (row.sid, row.reason_conference_ended) == (placed.conference_sid, None)
assert room.fetch().status == 'in-progress' and client.conferences.list(status='completed') == []

# Its participants.
calls = [row.call_sid for row in room.participants.list()]
assert sorted(calls) == sorted([placed.call_sid, second.call_sid]), calls
assert [row.call_sid for row in room.participants.list(page_size=1)] == calls
assert [row.call_sid for row in room.participants.list(muted=True)] == [second.call_sid]
assert [row.label for row in ops.participants.list(muted=False)] == ['agent']
assert room.participants.list(hold=True) == [] and room.participants.list(coaching=True) == []
changed = room.participants('agent').update(muted=True)
assert (changed.call_sid, changed.muted) == (placed.call_sid, True)
held = room.participants(second.call_sid).update(hold=True, muted=False)
assert (held.hold, held.muted) == (True, False)
assert [row.call_sid for row in room.participants.list(hold=True)] == [second.call_sid]
coach = room.participants(second.call_sid).update(hold=False, coaching=True, call_sid_to_coach=placed.call_sid)
assert (coach.hold, coach.coaching, coach.call_sid_to_coach) == (False, True, placed.call_sid)
for call in ('nobody', 'CA' + nobody):
    refused(404, 20404, lambda: room.participants(call).fetch())
    refused(404, 20404, lambda: room.participants(call).update(muted=True))
    refused(404, 20404, lambda: room.participants(call).delete())
refused(404, 20404, lambda: client.conferences('CF' + nobody).participants.create(to=caller, from_='a'))

# One leaves on request, the other with the conference.
assert room.participants(second.call_sid).delete()
refused(404, 20404, lambda: room.participants(second.call_sid).fetch())
until('the call of the one that left ends', lambda: client.calls(second.call_sid).fetch().status == 'completed')
ended = room.update(status='completed')
assert ended.sid == placed.conference_sid
until('the conference ends', lambda: room.fetch().status == 'completed')
assert room.fetch().reason_conference_ended == 'conference-ended-via-api'
until('the call of the other ends', lambda: client.calls(placed.call_sid).fetch().status == 'completed')
refused(404, 20404, lambda: room.participants('agent').fetch())
refused(400, 16022, lambda: room.update(status='completed'))
refused(400, 16022, lambda: room.participants.create(to=caller, from_='alice'))
assert room.recordings.list() == []
refused(404, 20404, lambda: client.conferences('CF' + nobody).fetch())
print('walked')
