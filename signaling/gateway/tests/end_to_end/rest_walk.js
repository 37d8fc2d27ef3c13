// Every resource of the API with the official Node SDK. Runs in an async function with `client` set up.
const assert = require('assert').strict;
const main = client.username;
const none = '0'.repeat(32);
async function refused(status, code, promise) {
  await assert.rejects(promise, error => {
    assert.deepEqual([error.status, error.code], [status, code], error.message);
    return true;
  });
}

const own = await client.api.v2010.accounts(main).fetch();
assert.equal(own.ownerAccountSid, main);
assert.ok(Math.abs(Date.now() - own.dateCreated.getTime()) < 3600000);
const sub = await client.api.v2010.accounts.create({friendlyName: 'site a'});
assert.equal((await client.api.v2010.accounts.list({friendlyName: 'site a'})).length, 1);
await refused(400, 21475, client.api.v2010.accounts(sub.sid).update({status: 'gone'}));
assert.equal((await client.api.v2010.accounts(sub.sid).update({status: 'closed'})).status, 'closed');
await refused(400, 21479, client.api.v2010.accounts(sub.sid).update({status: 'active'}));

const key = await client.newSigningKeys.create({friendlyName: 'ci'});
assert.equal(key.secret.length, 32);
assert.equal((await client.keys(key.sid).fetch()).friendlyName, 'ci');
assert.equal((await client.signingKeys.list()).length, 1);
assert.ok(await client.keys(key.sid).remove());
await refused(404, 20404, client.keys(key.sid).fetch());

const domain = await client.sip.domains.create({domainName: 'plant7.sip.sidetone.test', secure: true});
assert.deepEqual([domain.friendlyName, domain.voiceUrl, domain.secure], ['plant7.sip.sidetone.test', null, true]);
await refused(400, 21232, client.sip.domains.create({domainName: 'plant7.sip.twilio.com'}));
const list = await client.sip.credentialLists.create({friendlyName: 'users'});
const credentials = client.sip.credentialLists(list.sid).credentials;
const alice = await credentials.create({username: 'alice', password: 'Secret-Passw0rd'});
await refused(400, 21240, credentials.create({username: 'bob', password: 'weak'}));
await credentials(alice.sid).update({password: 'Other-Passw0rd'});
const office = await client.sip.ipAccessControlLists.create({friendlyName: 'office'});
const addresses = client.sip.ipAccessControlLists(office.sid).ipAddresses;
const sbc = await addresses.create({friendlyName: 'sbc', ipAddress: '192.0.2.10'});
assert.equal(sbc.cidrPrefixLength, 32);
await refused(400, 21235, addresses.create({friendlyName: 'other', ipAddress: '192.0.2.10'}));

const auth = client.sip.domains(domain.sid).auth;
await auth.calls.credentialListMappings.create({credentialListSid: list.sid});
await auth.calls.ipAccessControlListMappings.create({ipAccessControlListSid: office.sid});
await auth.registrations.credentialListMappings.create({credentialListSid: list.sid});
for (const mappings of [
  auth.calls.credentialListMappings, auth.calls.ipAccessControlListMappings,
  auth.registrations.credentialListMappings, client.sip.domains(domain.sid).credentialListMappings,
  client.sip.domains(domain.sid).ipAccessControlListMappings,
]) assert.equal((await mappings.list()).length, 1);
assert.equal((await client.sip.domains(domain.sid).fetch()).authType, 'IP_ACL,CREDENTIAL_LIST');
await refused(400, 21241, client.sip.credentialLists(list.sid).remove());
assert.ok(await client.sip.domains(domain.sid).remove());
assert.ok(await client.sip.credentialLists(list.sid).remove());
assert.ok(await client.sip.ipAccessControlLists(office.sid).remove());

for (let number = 0; number < 3; number++) {
  await client.sip.credentialLists.create({friendlyName: `l${number}`});
}
const names = (await client.sip.credentialLists.list({pageSize: 1})).map(row => row.friendlyName);
assert.deepEqual(names, ['l2', 'l1', 'l0']);

await refused(400, 21201, client.calls.create({to: '', from: 'alice', url: 'https://app.example/v'}));
await refused(404, 20404, client.calls(`CA${none}`).fetch());
await refused(404, 20404, client.recordings(`RE${none}`).remove());
assert.deepEqual(await client.calls.list({startTimeBefore: new Date(), status: 'busy'}), []);
assert.deepEqual(await client.recordings.list({limit: 5000}), []);
assert.deepEqual(await client.notifications.list(), []);
assert.deepEqual(await client.monitor.v1.alerts.list(), []);
console.log('walked');
