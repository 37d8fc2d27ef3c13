// Timers. The host asks for the next one and fires those that are due; an invocation that ends drops all of them.
'use strict';
let timers = new Map();
let last = 0;

class Timeout {
  constructor(id) { this.id = id; }
  ref() { return this; }
  unref() { return this; }
  hasRef() { return true; }
  refresh() { const it = timers.get(this.id); if (it) it.at = host.now() + it.delay; return this; }
  close() { timers.delete(this.id); return this; }
  [Symbol.toPrimitive]() { return this.id; }
}

function add(work, delay, args, repeat) {
  if (typeof work !== 'function') throw new TypeError('The "callback" argument must be of type function.');
  delay = Number(delay);
  if (!(delay >= 1 && delay <= 2147483647)) delay = 1;
  const id = ++last;
  timers.set(id, { work, args, delay, at: host.now() + delay, repeat });
  return new Timeout(id);
}
const remove = (timer) => { if (timer !== null && timer !== undefined) timers.delete(Number(timer)); };

exports.setTimeout = (work, delay, ...args) => add(work, delay, args, false);
exports.setInterval = (work, delay, ...args) => add(work, delay, args, true);
exports.setImmediate = (work, ...args) => add(work, 0, args, false);
exports.clearTimeout = exports.clearInterval = exports.clearImmediate = remove;
exports.promises = {
  setTimeout: (delay, value) => new Promise((resolve) => add(() => resolve(value), delay, [], false)),
  setImmediate: (value) => new Promise((resolve) => add(() => resolve(value), 0, [], false)),
};

// For the host.
exports.next = () => {
  let at = Infinity;
  for (const timer of timers.values()) if (timer.at < at) at = timer.at;
  return at;
};
exports.fire = () => {
  const now = host.now();
  const due = [...timers].filter(([, timer]) => timer.at <= now).sort((a, b) => a[1].at - b[1].at);
  for (const [id, timer] of due) {
    if (!timers.has(id)) continue;
    if (timer.repeat) timer.at = now + timer.delay;
    else timers.delete(id);
    timer.work(...timer.args);
  }
};
exports.drop = () => { timers = new Map(); };
