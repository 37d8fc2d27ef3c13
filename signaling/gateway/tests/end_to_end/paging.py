# Lists with rows that come and go between pages, by the official Python SDK. Runs after `client` and `phone` (the SIP URI
# of a phone that answers every call) are set up.
import time


def until(what, act):
    deadline = time.monotonic() + 20
    while not (found := act()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


def sid(row):
    return row.sid


def call_sid(row):
    return row.call_sid


def read(rows, between, name=sid):
    """The names of all rows, two a page, with a change after each page."""
    seen, page = [], rows.page(page_size=2)
    while page is not None:
        seen += [name(row) for row in page]
        between(seen)
        page = page.next_page()
    return seen


def newest_first(rows, create, name=sid):
    """Five rows are read once each; those that come meanwhile are none of the pages, and head the next list."""
    made = [create(number) for number in range(5)]
    late = []
    seen = read(rows, lambda _: late.append(create(5 + len(late))), name)
    assert seen == made[::-1], (made, seen)
    assert [name(row) for row in rows.list(page_size=3)] == (made + late)[::-1]


def caller_id(number):
    path = f'{client.api.base_url}/2010-04-01/Accounts/{client.account_sid}/OutgoingCallerIds/Verified.json'
    answer = client.request('POST', path, data={'PhoneNumber': f'+1500555010{number}'})
    assert answer.status_code == 201, answer.text
    import json
    return json.loads(answer.text)['sid']


newest_first(client.applications, lambda number: client.applications.create(friendly_name=f'a{number}').sid)
newest_first(client.queues, lambda number: client.queues.create(friendly_name=f'q{number}').sid)
newest_first(client.incoming_phone_numbers,
             lambda number: client.incoming_phone_numbers.create(phone_number=f'+1500555000{number}').sid)
newest_first(client.outgoing_caller_ids, caller_id)
# A phone that is not there: the conference is over at once, and its record stays.
newest_first(client.conferences, lambda number: client.conferences(f'c{number}').participants.create(
    to='sip:bob@127.0.0.1:9', from_='alice').conference_sid)


# Participants: one that a page showed is gone before the next page.
def enter(room, **more):
    call = room.participants.create(to=phone, from_='alice', **more)
    until('it enters', lambda: room.participants(call.call_sid).fetch().status == 'connected')
    return call


first = enter(client.conferences('ops'), conference_record='record-from-start')
ops = client.conferences(first.conference_sid)
inside = [first.call_sid] + [enter(ops).call_sid for _ in range(4)]


def come_and_go(seen):
    enter(ops)
    if len(seen) == 2:
        assert ops.participants(seen[-1]).delete()


assert read(ops.participants, come_and_go, call_sid) == inside[::-1]


# Recordings of a call, not of the first, which that of the conference is put to; and of the conference, which has one.
def record(_):
    recordings = client.calls(inside[1]).recordings
    made = recordings.create()
    assert recordings(made.sid).update(status='stopped').status == 'stopped'
    # A call has eight at once, and each counts until its file is settled. Nobody speaks, so there may be none.
    until('its file is settled', lambda: recordings(made.sid).fetch().status in ('completed', 'absent'))
    return made.sid


newest_first(client.calls(inside[1]).recordings, record)
page = ops.recordings.page(page_size=1)
row, = page
assert (row.conference_sid, page.next_page()) == (ops.fetch().sid, None)
every = [row.sid for row in client.recordings.list()]
assert read(client.recordings, record) == every
assert ops.update(status='completed').status == 'completed'

# Members, the front first: a call that comes stands behind all others, and one that leaves the front moves nobody.
enqueue = '<Response><Enqueue waitUrl="">support</Enqueue></Response>'
queue = client.queues.create(friendly_name='support')
members = client.queues(queue.sid).members


def wait_in_line(count):
    call = client.calls.create(to=phone, from_='alice', twiml=enqueue).sid
    until('it waits', lambda: client.queues(queue.sid).fetch().current_size == count)
    return call


line = [wait_in_line(count) for count in range(1, 6)]


def one_leaves_and_one_comes(seen):
    if len(seen) > 2:
        return
    assert client.calls(seen[0]).update(status='completed').sid == seen[0]
    until('the front leaves', lambda: client.queues(queue.sid).fetch().current_size == 4)
    line.append(wait_in_line(5))


assert read(members, one_leaves_and_one_comes, call_sid) == line
print('walked')
