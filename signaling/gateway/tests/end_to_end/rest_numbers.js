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
console.log('walked');
