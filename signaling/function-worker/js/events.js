'use strict';
class EventEmitter {
  static defaultMaxListeners = 10;
  static once(emitter, name) {
    return new Promise((resolve, reject) => {
      emitter.once(name, (...args) => resolve(args));
      if (name !== 'error') emitter.once('error', reject);
    });
  }
  static listenerCount(emitter, name) { return emitter.listenerCount(name); }
  addListener(name, work) { return this.on(name, work); }
  on(name, work) { return add(this, name, work, false); }
  prependListener(name, work) { return add(this, name, work, true); }
  once(name, work) { return this.on(name, onceOnly(this, name, work)); }
  prependOnceListener(name, work) { return this.prependListener(name, onceOnly(this, name, work)); }
  off(name, work) { return this.removeListener(name, work); }
  removeListener(name, work) {
    const list = of(this).get(name);
    if (!list) return this;
    const at = list.findLastIndex((one) => one === work || one.listener === work);
    if (at >= 0) {
      const rest = list.toSpliced(at, 1);
      if (rest.length) of(this).set(name, rest);
      else of(this).delete(name);
      if (of(this).has('removeListener')) this.emit('removeListener', name, work);
    }
    return this;
  }
  removeAllListeners(name) {
    if (name === undefined) of(this).clear();
    else of(this).delete(name);
    return this;
  }
  emit(name, ...args) {
    const list = of(this).get(name);
    if (!list) {
      if (name === 'error') throw args[0] instanceof Error ? args[0] : new Error(`Unhandled error. (${args[0]})`);
      return false;
    }
    for (const work of list) work.apply(this, args);
    return true;
  }
  listenerCount(name) { return (of(this).get(name) || []).length; }
  listeners(name) { return (of(this).get(name) || []).map((one) => one.listener || one); }
  rawListeners(name) { return (of(this).get(name) || []).slice(); }
  eventNames() { return [...of(this).keys()]; }
  setMaxListeners() { return this; }
  getMaxListeners() { return EventEmitter.defaultMaxListeners; }
}
// Old code calls the constructor without `new` on objects of its own (util.inherits).
const LISTENERS = Symbol('listeners');
function of(emitter) {
  if (!Object.hasOwn(emitter, LISTENERS)) {
    Object.defineProperty(emitter, LISTENERS, { value: new Map(), enumerable: false, configurable: true });
  }
  return emitter[LISTENERS];
}
function add(emitter, name, work, first) {
  if (typeof work !== 'function') throw new TypeError('The "listener" argument must be of type function.');
  if (of(emitter).has('newListener')) emitter.emit('newListener', name, work.listener || work);
  const list = of(emitter).get(name) || [];
  of(emitter).set(name, first ? [work, ...list] : [...list, work]);
  return emitter;
}
function onceOnly(emitter, name, work) {
  const wrapped = (...args) => { emitter.removeListener(name, wrapped); return work.apply(emitter, args); };
  wrapped.listener = work;
  return wrapped;
}
function Callable(...args) { return new.target ? Reflect.construct(EventEmitter, args, new.target) : undefined; }
Object.setPrototypeOf(Callable, EventEmitter);
Callable.prototype = EventEmitter.prototype;
Object.defineProperty(Callable.prototype, 'constructor', { value: Callable, writable: true, configurable: true });
Callable.EventEmitter = Callable;
Callable.once = EventEmitter.once;
module.exports = Callable;
