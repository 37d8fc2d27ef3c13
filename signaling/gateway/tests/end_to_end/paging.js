// Lists with rows that come and go between pages, by the official Node SDK. Runs in an async function with `client` and
// `phone` (the SIP URI of a phone that answers every call) set up.
const assert = require('assert').strict;
const sid = row => row.sid;
const callSid = row => row.callSid;

async function until(what, act) {
  const deadline = Date.now() + 20000;
  for (;;) {
    const found = await act();
    if (found) return found;
    assert.ok(Date.now() < deadline, what);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

// The names of all rows, two a page, with a change after each page.
async function read(rows, between, name = sid) {
  const seen = [];
  let page = await rows.page({pageSize: 2});
  while (page) {
    seen.push(...page.instances.map(name));
    await between(seen);
    page = await page.nextPage();
  }
  return seen;
}

// Five rows are read once each; those that come meanwhile are none of the pages, and head the next list.
async function newestFirst(rows, create, name = sid) {
  const made = [];
  for (let number = 0; number < 5; number++) made.push(await create(number));
  const late = [];
  const seen = await read(rows, async () => late.push(await create(5 + late.length)), name);
  assert.deepEqual(seen, [...made].reverse());
  assert.deepEqual((await rows.list({pageSize: 3})).map(name), [...made, ...late].reverse());
}

async function callerId(number) {
  const uri = `${client.api.baseUrl}/2010-04-01/Accounts/${client.username}/OutgoingCallerIds/Verified.json`;
  const answer = await client.request({method: 'post', uri, data: {PhoneNumber: `+1500555010${number}`}});
  assert.equal(answer.statusCode, 201);
  return answer.body.sid;
}

await newestFirst(client.applications, async number => (await client.applications.create({friendlyName: `a${number}`})).sid);
await newestFirst(client.queues, async number => (await client.queues.create({friendlyName: `q${number}`})).sid);
await newestFirst(client.incomingPhoneNumbers,
  async number => (await client.incomingPhoneNumbers.create({phoneNumber: `+1500555000${number}`})).sid);
await newestFirst(client.outgoingCallerIds, callerId);
// A phone that is not there: the conference is over at once, and its record stays.
await newestFirst(client.conferences, async number => (await client.conferences(`c${number}`).participants.create(
  {to: 'sip:bob@127.0.0.1:9', from: 'alice'})).conferenceSid);

// Participants: one that a page showed is gone before the next page.
async function enter(room, more = {}) {
  const call = await room.participants.create({to: phone, from: 'alice', ...more});
  await until('it enters', async () => (await room.participants(call.callSid).fetch()).status === 'connected');
  return call;
}
const first = await enter(client.conferences('ops'), {conferenceRecord: 'record-from-start'});
const ops = client.conferences(first.conferenceSid);
const inside = [first.callSid];
for (let number = 0; number < 4; number++) inside.push((await enter(ops)).callSid);
const shown = await read(ops.participants, async seen => {
  await enter(ops);
  if (seen.length === 2) assert.ok(await ops.participants(seen[1]).remove());
}, callSid);
assert.deepEqual(shown, [...inside].reverse());

// Recordings of a call, not of the first, which that of the conference is put to; and of the conference, which has one.
const recordings = client.calls(inside[1]).recordings;
async function record() {
  const made = await recordings.create();
  assert.equal((await recordings(made.sid).update({status: 'stopped'})).status, 'stopped');
  // A call has eight at once, and each counts until its file is settled. Nobody speaks, so there may be none.
  await until('its file is settled',
    async () => ['completed', 'absent'].includes((await recordings(made.sid).fetch()).status));
  return made.sid;
}
await newestFirst(recordings, record);
const page = await ops.recordings.page({pageSize: 1});
assert.deepEqual(page.instances.map(row => row.conferenceSid), [first.conferenceSid]);
assert.equal(await page.nextPage(), undefined);
const every = (await client.recordings.list()).map(sid);
assert.deepEqual(await read(client.recordings, record), every);
assert.equal((await ops.update({status: 'completed'})).status, 'completed');

// Members, the front first: a call that comes stands behind all others, and one that leaves the front moves nobody.
const twiml = '<Response><Enqueue waitUrl="">support</Enqueue></Response>';
const queue = client.queues((await client.queues.create({friendlyName: 'support'})).sid);
async function waitInLine(count) {
  const call = await client.calls.create({to: phone, from: 'alice', twiml});
  await until('it waits', async () => (await queue.fetch()).currentSize === count);
  return call.sid;
}
const line = [];
for (let count = 1; count <= 5; count++) line.push(await waitInLine(count));
const waited = await read(queue.members, async seen => {
  if (seen.length > 2) return;
  await client.calls(seen[0]).update({status: 'completed'});
  await until('the front leaves', async () => (await queue.fetch()).currentSize === 4);
  line.push(await waitInLine(5));
}, callSid);
assert.deepEqual(waited, line);
console.log('walked');
