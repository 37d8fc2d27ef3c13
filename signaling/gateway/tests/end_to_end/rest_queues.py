# Queues and their members with the official Python SDK. Runs after `client` is set up.
from twilio.base.exceptions import TwilioRestException


def refused(status, code, act):
    try:
        act()
    except TwilioRestException as error:
        assert (error.status, error.code) == (status, code), (error.status, error.code, error.msg)
        return error
    raise AssertionError(f'not refused with {code}')


nobody = 32 * '0'
queue = client.queues.create(friendly_name='support')
assert (queue.max_size, queue.current_size, queue.average_wait_time) == (1000, 0, 0)
assert queue.update(friendly_name='sales', max_size=5000).max_size == 5000
again = client.queues(queue.sid).fetch()
assert (again.friendly_name, again.current_size) == ('sales', 0)
refused(400, 20002, lambda: client.queues.create(friendly_name='sales'))
refused(400, 20002, lambda: client.queues.create(friendly_name=65 * 'a'))
refused(400, 20422, lambda: client.queues.create(friendly_name='a', max_size=5001))
made = [client.queues.create(friendly_name=f'q{number}').sid for number in range(3)]
first = client.queues.page(page_size=2)
seen = [row.sid for row in first]
assert client.queues(made[1]).delete()
client.queues.create(friendly_name='comes in between')
seen += [row.sid for row in first.next_page()]
assert seen == [made[2], made[1], made[0], queue.sid], seen

# Members: nobody waits.
assert queue.members.list() == []
refused(404, 20404, lambda: queue.members('Front').fetch())
refused(404, 20404, lambda: queue.members('CA' + nobody).fetch())
refused(404, 20404, lambda: queue.members('Front').update(url='https://app.example/v'))
refused(400, 21205, lambda: queue.members('Front').update(url='/v'))
refused(404, 20404, lambda: client.queues('QU' + nobody).members('Front').fetch())
assert queue.delete()
refused(404, 20404, lambda: queue.fetch())
print('walked')
