// Applications, phone numbers and caller ids with the official Node SDK. Runs in an async function with `client` set up.
const assert = require('assert').strict;
async function refused(status, code, promise) {
  await assert.rejects(promise, error => {
    assert.deepEqual([error.status, error.code], [status, code], error.message);
    return true;
  });
}

const app = await client.applications.create({friendlyName: 'front desk', voiceUrl: 'https://app.example/v'});
assert.deepEqual([app.voiceMethod, app.voiceFallbackUrl, app.publicApplicationConnectEnabled], ['POST', null, false]);
assert.equal((await client.applications.list({friendlyName: 'front desk'})).length, 1);
assert.equal((await client.applications(app.sid).update({voiceMethod: 'GET'})).voiceMethod, 'GET');
await refused(400, 21403, client.applications(app.sid).update({smsMethod: 'PUT'}));
assert.ok(await client.applications(app.sid).remove());
await refused(404, 20404, client.applications(app.sid).fetch());

const number = await client.incomingPhoneNumbers.create({phoneNumber: '+15005550016', voiceUrl: 'https://app.example/n'});
assert.deepEqual([number.friendlyName, number.statusCallback, number.capabilities.voice], ['(500) 555-0016', '', true]);
await refused(400, 21421, client.incomingPhoneNumbers.create({phoneNumber: 'sip:a@b'}));
const free = await client.incomingPhoneNumbers.tollFree.create({phoneNumber: '+80012345678'});
assert.deepEqual((await client.incomingPhoneNumbers.tollFree.list()).map(row => row.sid), [free.sid]);
assert.deepEqual((await client.incomingPhoneNumbers.list({phoneNumber: '50016'})).map(row => row.sid), [number.sid]);
assert.equal((await client.incomingPhoneNumbers(number.sid).update({voiceMethod: 'GET'})).voiceMethod, 'GET');
assert.ok(await client.incomingPhoneNumbers(number.sid).remove());
await refused(404, 20404, client.incomingPhoneNumbers(number.sid).fetch());
console.log('walked');
