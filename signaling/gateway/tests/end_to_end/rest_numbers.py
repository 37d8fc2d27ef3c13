# Applications, phone numbers and caller ids with the official Python SDK. Runs after `client` is set up.
from twilio.base.exceptions import TwilioRestException


def refused(status, code, act):
    try:
        act()
    except TwilioRestException as error:
        assert (error.status, error.code) == (status, code), (error.status, error.code, error.msg)
        return error
    raise AssertionError(f'not refused with {code}')


nobody = 32 * '0'

# Applications.
app = client.applications.create(
    friendly_name='front desk', voice_url='https://app.example/v', voice_method='GET',
    voice_fallback_url='https://app.example/f', status_callback='https://app.example/s')
assert app.sid.startswith('AP') and app.api_version == '2010-04-01'
assert (app.voice_method, app.voice_fallback_method, app.sms_url) == ('GET', 'POST', None)
assert app.voice_caller_id_lookup is False and app.date_created == app.date_updated
assert [row.sid for row in client.applications.list(friendly_name='front desk')] == [app.sid]
assert client.applications.list(friendly_name='front') == []
changed = app.update(friendly_name='desk', voice_fallback_url='', message_status_callback='https://app.example/m')
assert (changed.friendly_name, changed.voice_fallback_url) == ('desk', None)
assert client.applications(app.sid).fetch().message_status_callback == 'https://app.example/m'
refused(400, 21402, lambda: app.update(voice_url='/v'))
refused(400, 20002, lambda: client.applications.create(friendly_name=65 * 'a'))
for number in range(3):
    client.applications.create(friendly_name=f'a{number}')
names = [row.friendly_name for row in client.applications.list(page_size=1)]
assert names == ['a2', 'a1', 'a0', 'desk'], names
refused(404, 20404, lambda: client.applications('AP' + nobody).fetch())
assert app.delete()
refused(404, 20404, lambda: app.fetch())
print('walked')
