// Conferences, participants and queues with the official Node SDK. Runs in an async function with `client` and `agent`
// (the SIP URI of a phone that answers) set up.
const assert = require('assert').strict;
async function refused(status, code, promise) {
  await assert.rejects(promise, error => {
    assert.deepEqual([error.status, error.code], [status, code], error.message);
    return true;
  });
}
async function until(what, act) {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await act()) return;
    await new Promise(done => setTimeout(done, 50));
  }
  assert.fail(what);
}

const placed = await client.conferences('desk').participants.create({to: agent, from: 'alice', label: 'agent'});
const room = client.conferences(placed.conferenceSid);
await until('the agent enters', async () => (await room.participants('agent').fetch()).status === 'connected');
assert.deepEqual((await room.participants.list()).map(row => row.label), ['agent']);
assert.equal((await room.participants('agent').update({muted: true})).muted, true);
assert.equal((await client.conferences.list({friendlyName: 'desk'}))[0].sid, placed.conferenceSid);
assert.ok(await room.participants('agent').remove());
await until('the conference ends', async () => (await room.fetch()).status === 'completed');
assert.equal((await room.fetch()).reasonConferenceEnded, 'last-participant-kicked');

const queue = await client.queues.create({friendlyName: 'support', maxSize: 5});
assert.deepEqual([queue.maxSize, queue.currentSize, queue.averageWaitTime], [5, 0, 0]);
assert.equal((await client.queues(queue.sid).update({maxSize: 7})).maxSize, 7);
assert.deepEqual(await client.queues(queue.sid).members.list(), []);
await refused(404, 20404, client.queues(queue.sid).members('Front').fetch());
await refused(400, 20002, client.queues.create({friendlyName: 'support'}));
assert.ok(await client.queues(queue.sid).remove());
await refused(404, 20404, client.queues(queue.sid).fetch());
console.log('walked');
