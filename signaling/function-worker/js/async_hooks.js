'use strict';
exports.AsyncLocalStorage = class {
  run(store, work, ...args) { const before = this.store; this.store = store; try { return work(...args); } finally { this.store = before; } }
  getStore() { return this.store; }
  enterWith(store) { this.store = store; }
  exit(work, ...args) { return this.run(undefined, work, ...args); }
};
exports.AsyncResource = class { runInAsyncScope(work, self, ...args) { return work.apply(self, args); } emitDestroy() {} };
