# Every resource of the API with the official Python SDK. Runs after `client` is set up.
import threading
import time
from datetime import datetime, timedelta, timezone

from twilio.base.exceptions import TwilioException, TwilioRestException


def refused(status, code, act):
    try:
        act()
    except TwilioRestException as error:
        assert (error.status, error.code) == (status, code), (error.status, error.code, error.msg)
        return error
    except TwilioException as error:
        # A refused list is raised without its code.
        assert f'"code":{code}' in str(error) or str(code) in str(error), error
        return error
    raise AssertionError(f'not refused with {code}')


def at(login, account=None):
    other = Client(*login, account_sid=account, environment={'_': ''})
    for domain in (other.api, other.voice, other.monitor):
        domain.base_url = client.api.base_url
    return other


main = client.username

# Accounts, sub-accounts, keys.
own = client.api.accounts(main).fetch()
assert (own.status, own.type, own.owner_account_sid) == ('active', 'Full', main)
assert abs(datetime.now(timezone.utc) - own.date_created) < timedelta(hours=1)
sub = client.api.accounts.create(friendly_name='site a')
assert {row.sid for row in client.api.accounts.list()} == {main, sub.sid}
assert [row.sid for row in client.api.accounts.list(friendly_name='site a')] == [sub.sid]
site = at((sub.sid, sub.auth_token))
refused(400, 21101, lambda: site.api.accounts.create())
refused(404, 20404, lambda: site.api.accounts(main).fetch())
refused(400, 21477, lambda: own.update(status='suspended'))
assert sub.update(status='suspended').status == 'suspended'
refused(403, 20005, lambda: site.sip.domains.create(domain_name='s.sip.sidetone.test'))
assert sub.update(status='active', friendly_name='site b').friendly_name == 'site b'

key = client.new_keys.create(friendly_name='ci')
assert len(key.secret) == 32 and client.keys(key.sid).fetch().friendly_name == 'ci'
by_key = at((key.sid, key.secret), main)
assert by_key.calls.list() == []
refused(401, 20003, lambda: by_key.keys.list())
refused(404, 20404, lambda: at((key.sid, key.secret), sub.sid).calls('CA' + 32 * '0').fetch())
assert client.keys(key.sid).update(friendly_name='ci 2').friendly_name == 'ci 2'
assert [row.sid for row in client.signing_keys.list()] == [key.sid]
assert client.keys(key.sid).delete() and client.keys.list() == []
refused(401, 20003, lambda: by_key.calls('CA' + 32 * '0').fetch())

# Domains.
domain = client.sip.domains.create(
    domain_name='plant7.sip.twilio.com', friendly_name='Plant 7', voice_url='https://app.example/v',
    voice_method='GET', sip_registration=True)
assert (domain.voice_method, domain.sip_registration, domain.auth_type) == ('GET', True, '')
refused(400, 21232, lambda: client.sip.domains.create(domain_name='PLANT7.sip.sidetone.test'))
refused(400, 21232, lambda: client.sip.domains.create(domain_name='plant_8.sip.sidetone.test'))
refused(400, 21232, lambda: client.sip.domains.create(domain_name='a.nobody.sip.sidetone.test'))
refused(400, 21232, lambda: client.sip.domains.create(domain_name=sub.sid + '.sip.sidetone.test'))
refused(400, 21231, lambda: client.sip.domains.create(domain_name='p9', voice_url='/v'))
for change, code in (
    ({'byoc_trunk_sid': 'BY' + 32 * '0'}, 21300), ({'emergency_calling_enabled': True}, 21231),
    ({'emergency_caller_sid': 'PN' + 32 * '0'}, 21231),
):
    refused(400, code, lambda: client.sip.domains.create(domain_name='p9', **change))
below = site.sip.domains.create(domain_name='line1.plant7.sip.sidetone.test')
refused(400, 21233, lambda: domain.delete())
assert site.sip.domains(below.sid).delete()
changed = domain.update(voice_url='', secure=True)
assert (changed.voice_url, changed.secure, changed.friendly_name) == (None, True, 'Plant 7')

# Credential lists and credentials.
users = client.sip.credential_lists.create(friendly_name='users')
refused(400, 21240, lambda: client.sip.credential_lists.create(friendly_name='users'))
credentials = client.sip.credential_lists(users.sid).credentials
alice = credentials.create(username='alice', password='Secret-Passw0rd')
assert not hasattr(alice, 'password')
for weak in ('Short1', 'nouppercase12', 'NOLOWERCASE12', 'NoDigitsAtAll'):
    refused(400, 21240, lambda: credentials.create(username='bob', password=weak))
refused(400, 21240, lambda: credentials.create(username='alice', password='Secret-Passw0rd'))
assert credentials(alice.sid).update(password='Other-Passw0rd').username == 'alice'

# Address lists and addresses.
office = client.sip.ip_access_control_lists.create(friendly_name='office')
refused(400, 21235, lambda: client.sip.ip_access_control_lists.create(friendly_name='office'))
addresses = client.sip.ip_access_control_lists(office.sid).ip_addresses
sbc = addresses.create(friendly_name='sbc', ip_address='192.0.2.10', cidr_prefix_length=29)
assert (sbc.ip_address, sbc.cidr_prefix_length) == ('192.0.2.10', 29)
refused(400, 21235, lambda: addresses.create(friendly_name='bad', ip_address='192.0.2.300'))
assert addresses(sbc.sid).update(friendly_name='sbc 1').friendly_name == 'sbc 1'

# Mappings, new and old, over one store.
auth = client.sip.domains(domain.sid).auth
auth.calls.credential_list_mappings.create(credential_list_sid=users.sid)
auth.calls.ip_access_control_list_mappings.create(ip_access_control_list_sid=office.sid)
auth.registrations.credential_list_mappings.create(credential_list_sid=users.sid)
refused(400, 21231, lambda: auth.calls.credential_list_mappings.create(users.sid))
refused(404, 20404, lambda: auth.calls.credential_list_mappings.create('CL' + 32 * '0'))
assert domain.fetch().auth_type == 'IP_ACL,CREDENTIAL_LIST'
old = client.sip.domains(domain.sid)
assert [row.sid for row in old.credential_list_mappings.list()] == [users.sid]
assert [row.sid for row in old.ip_access_control_list_mappings.list()] == [office.sid]
assert auth.calls.credential_list_mappings(users.sid).fetch().friendly_name == 'users'
refused(400, 21241, lambda: client.sip.credential_lists(users.sid).delete())
refused(400, 21236, lambda: client.sip.ip_access_control_lists(office.sid).delete())
assert old.credential_list_mappings(users.sid).delete()
assert auth.registrations.credential_list_mappings(users.sid).delete()
assert auth.calls.ip_access_control_list_mappings(office.sid).delete()
assert domain.fetch().auth_type == ''
assert credentials(alice.sid).delete() and addresses(sbc.sid).delete()
assert client.sip.credential_lists(users.sid).delete()
assert client.sip.ip_access_control_lists(office.sid).delete() and domain.delete()

# Limits, and pages while rows come in.
lists = client.sip.credential_lists
made = [lists.create(friendly_name=f'l{number}').sid for number in range(100)]
refused(400, 21239, lambda: lists.create(friendly_name='one too many'))
newest_first = made[::-1]
assert [row.sid for row in lists.list(limit=5000)] == newest_first
assert [row.sid for row in lists.list(page_size=7)] == newest_first
first = lists.page(page_size=1)
seen = [row.sid for row in first]
assert lists(made[50]).delete()
lists.create(friendly_name='comes in between')
second = first.next_page()
third = second.next_page()
seen += [row.sid for page in (second, third) for row in page]
assert seen == newest_first[:3], seen
assert [row.sid for row in third.previous_page()] == [newest_first[1]]

# Calls, recordings, notifications, alerts: what is not there.
nobody = 'CA' + 32 * '0'
for act in (
    lambda: client.calls(nobody).fetch(),
    lambda: client.calls(nobody).update(status='completed'),
    lambda: client.calls(nobody).delete(),
    lambda: client.recordings('RE' + 32 * '0').fetch(),
    lambda: client.recordings('RE' + 32 * '0').delete(),
    lambda: client.notifications('NO' + 32 * '0').fetch(),
    lambda: client.monitor.v1.alerts('NO' + 32 * '0').fetch(),
):
    refused(404, 20404, act)
call = {'to': 'sip:bob@pbx.example', 'from_': 'alice', 'url': 'https://app.example/v'}
for change, code in (
    ({'to': ''}, 21201), ({'to': 'bob'}, 21217), ({'to': 'app:AP' + 32 * '0'}, 21218), ({'from_': ''}, 21213), ({'url': '/v'}, 21205),
    ({'method': 'PUT'}, 21209), ({'timeout': 0}, 21208), ({'send_digits': 'x'}, 21206),
    ({'status_callback': 'http://my_host.example/s'}, 21205),
    ({'machine_detection': 'Perhaps'}, 21234), ({'application_sid': 'AP' + 32 * '0'}, 21218),
    ({'sip_auth_username': 'a'}, 21225), ({'to': 'sip:b@h?Via=x'}, 21228),
):
    refused(400, code, lambda: client.calls.create(**{**call, **change}))
made = client.calls.create(to='sip:b@127.0.0.1:9', from_='alice', twiml='<Response/>', async_amd='true')
deadline = time.monotonic() + 10
while not (named := client.calls(made.sid).notifications.list(log=1)):
    assert time.monotonic() < deadline
    time.sleep(0.05)
assert named[-1].error_code == '21262' and 'AsyncAmd' in named[-1].message_text, named[-1].message_text
yesterday = datetime.now(timezone.utc) - timedelta(days=1)
assert client.calls.list(status='completed', start_time_after=yesterday) == []
assert client.recordings.list(date_created_after=yesterday, call_sid=nobody) == []
assert client.notifications.list(log=0, message_date_before=yesterday.date()) == []
# Nobody listens at the port that was called: the account has one alert of it.
while client.calls(made.sid).fetch().status != 'failed':
    assert time.monotonic() < deadline
    time.sleep(0.05)
alerts = client.monitor.v1.alerts.list(log_level='error', start_date=yesterday)
assert [(alert.error_code, alert.resource_sid) for alert in alerts] == [('32011', made.sid)], alerts

# What is never billed: empty lists and a zero, for a 404 is an exception without a code.
assert client.usage.records.list() == [] and client.usage.records.last_month.list() == []
assert client.usage.triggers.list() == [] and client.outgoing_caller_ids.list() == []
assert (client.balance.fetch().balance, client.balance.fetch().currency) == ('0.00', 'USD')

# Another account's resource is not there.
foreign = site.sip.domains.create(domain_name='foreign.sip.sidetone.test')
refused(404, 20404, lambda: client.sip.domains(foreign.sid).fetch())
assert at((main, client.password), sub.sid).sip.domains(foreign.sid).fetch().sid == foreign.sid
print('walked')
