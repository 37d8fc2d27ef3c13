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

# Phone numbers.
number = client.incoming_phone_numbers.create(phone_number='+1 (500) 555-0006', voice_url='https://app.example/n')
assert (number.phone_number, number.friendly_name) == ('+15005550006', '(500) 555-0006')
assert (number.voice_fallback_url, number.status_callback, number.sms_url) == ('', '', '')
assert number.capabilities == {'voice': True, 'sms': False, 'mms': False, 'fax': False}, number.capabilities
assert (number.beta, number.origin, number.status, number.type) == (False, 'hosted', 'in-use', 'local')
assert (number.emergency_status, number.voice_receive_mode) == ('Inactive', 'voice')
refused(400, 21422, lambda: client.incoming_phone_numbers.create(phone_number='+15005550006'))
refused(400, 21421, lambda: client.incoming_phone_numbers.create(phone_number='5005550006'))
refused(400, 21452, lambda: client.incoming_phone_numbers.create(area_code='500'))
refused(400, 21402, lambda: number.update(voice_url='nonsense'))
refused(400, 21420, lambda: number.update(voice_application_sid='AP' + nobody))
assert number.update(voice_application_sid=app.sid).voice_application_sid == app.sid
routed = number.update(trunk_sid='TK' + nobody)
assert (routed.trunk_sid, routed.voice_application_sid) == ('TK' + nobody, None)
routed = number.update(voice_application_sid=app.sid)
assert (routed.trunk_sid, routed.voice_application_sid) == (None, app.sid)
mobile = client.incoming_phone_numbers.mobile.create(phone_number='+491701234567')
mobile = client.incoming_phone_numbers(mobile.sid).fetch()
free = client.incoming_phone_numbers.create(phone_number='+18005550100')
for view, sids in (
    (client.incoming_phone_numbers, [free.sid, mobile.sid, number.sid]),
    (client.incoming_phone_numbers.local, [number.sid]),
    (client.incoming_phone_numbers.mobile, [mobile.sid]),
    (client.incoming_phone_numbers.toll_free, [free.sid]),
):
    assert [row.sid for row in view.list(page_size=1)] == sids
for partial, sids in (('500555', [number.sid]), ('+1*00555', [free.sid, number.sid]), ('99', [])):
    assert [row.sid for row in client.incoming_phone_numbers.list(phone_number=partial)] == sids, partial
assert client.incoming_phone_numbers.list(beta=True) == []
assert len(client.incoming_phone_numbers.list(origin='hosted', friendly_name='+491701234567')) == 1

# An application goes, and the number that it answered stays.
assert app.delete()
refused(404, 20404, lambda: app.fetch())
assert number.fetch().voice_application_sid is None and number.fetch().voice_url == 'https://app.example/n'

# A number moves between related accounts.
site = client.api.accounts.create(friendly_name='site')
refused(400, 21471, lambda: mobile.update(account_sid='AC' + nobody))
moved = mobile.update(account_sid=site.sid)
assert moved.account_sid == site.sid
refused(404, 20404, lambda: client.incoming_phone_numbers(mobile.sid).fetch())
owned = client.api.v2010.accounts(site.sid).incoming_phone_numbers
assert [row.sid for row in owned.list()] == [mobile.sid]
assert owned(mobile.sid).update(account_sid=client.username).account_sid == client.username
assert free.delete()
refused(404, 20404, lambda: free.fetch())

# Caller ids: the operator adds one without a call.
import requests


def verify(login, form, account=client.username):
    path = f'/2010-04-01/Accounts/{account}/OutgoingCallerIds/Verified.json'
    return requests.post(client.api.base_url + path, data=form, auth=login)


operator = (client.username, client.password)
made = verify(operator, {'PhoneNumber': '+1 500 555 0100'})
assert (made.status_code, made.json()['friendly_name']) == (201, '(500) 555-0100'), made.text
again = verify(operator, {'PhoneNumber': '+15005550100'})
assert (again.status_code, again.json()['code']) == (400, 21450), again.text
assert verify(operator, {'PhoneNumber': '0100'}).json()['code'] == 21421
assert verify((site.sid, site.auth_token), {'PhoneNumber': '+15005550101'}, site.sid).status_code == 403
assert verify(operator, {'PhoneNumber': '+15005550100'}, site.sid).status_code == 201
caller_id, = client.outgoing_caller_ids.list(phone_number='+15005550100')
assert caller_id.sid.startswith('PN') and client.outgoing_caller_ids.list(friendly_name='x') == []
assert caller_id.update(friendly_name='desk').friendly_name == 'desk'
assert client.outgoing_caller_ids(caller_id.sid).fetch().friendly_name == 'desk'
request = client.validation_requests.create(phone_number='+15005550102')
assert request.phone_number == '+15005550102' and request.call_sid.startswith('CA')
assert len(request.validation_code) == 6 and request.validation_code.isdigit()
assert client.outgoing_caller_ids.list(phone_number='+15005550102') == [], 'nobody has entered the code'
assert caller_id.delete() and client.outgoing_caller_ids.list() == []
print('walked')
