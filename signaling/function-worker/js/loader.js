// The module loader and the globals of a context. Evaluates to a function that takes the host's functions.
//
// Modules are CommonJS, as Node loads them: built-in names first (`node:` or bare), then files, then packages. There
// are three trees: `/app` holds what is deployed, `/lib/node_modules` the embedded library, and the built-in modules
// have no path. A package that the customer deployed wins over one of the library. Nothing here reads a file: the
// host has the library in memory and asks the gateway for what is deployed.
(function (host) {
  'use strict';
  const builtins = Object.create(null);
  const loaded = Object.create(null);
  const BUILTIN = host.builtins;

  function builtin(name) {
    if (builtins[name]) return builtins[name].exports;
    const module = (builtins[name] = { exports: {} });
    const wrapper = host.compileBuiltin(name);
    wrapper(module.exports, requireBuiltin, module, host);
    return module.exports;
  }

  // Deprecated doubles and promise twins live in their parent.
  function builtinName(name) {
    const bare = name.startsWith('node:') ? name.slice(5) : name;
    return BUILTIN.includes(bare) ? bare : null;
  }

  function requireBuiltin(name) {
    const known = builtinName(name);
    if (known === null) throw new Error(`no built-in module ${name}`);
    return builtin(known);
  }

  function normalize(path) {
    const out = [];
    for (const part of path.split('/')) {
      if (part === '..') out.pop();
      else if (part !== '' && part !== '.') out.push(part);
    }
    return '/' + out.join('/');
  }
  const dirname = (path) => path.slice(0, path.lastIndexOf('/')) || '/';

  function asFile(path) {
    for (const end of ['', '.js', '.json', '.cjs']) {
      if (host.isFile(path + end)) return path + end;
    }
    return null;
  }

  const manifests = Object.create(null);
  function manifest(folder) {
    const path = folder + '/package.json';
    if (!(path in manifests)) manifests[path] = host.isFile(path) ? JSON.parse(host.text(path)) : null;
    return manifests[path];
  }

  function asFolder(folder) {
    const described = manifest(folder);
    if (described && typeof described.main === 'string') {
      const main = normalize(folder + '/' + described.main);
      const found = asFile(main) || asFile(main + '/index');
      if (found) return found;
    }
    return asFile(folder + '/index');
  }

  // Node's conditions, in the order in which the package lists them.
  const CONDITIONS = ['node', 'require', 'default'];
  function condition(target) {
    if (typeof target === 'string' || target === null) return target;
    if (Array.isArray(target)) {
      for (const one of target) {
        const found = condition(one);
        if (found) return found;
      }
      return null;
    }
    for (const name of Object.keys(target)) {
      if (!CONDITIONS.includes(name)) continue;
      const found = condition(target[name]);
      if (found !== undefined && found !== null) return found;
    }
    return null;
  }

  function exported(described, subpath) {
    let map = described.exports;
    if (typeof map === 'string' || Array.isArray(map) || !Object.keys(map).some((key) => key.startsWith('.'))) {
      map = { '.': map };
    }
    if (subpath in map) return condition(map[subpath]);
    for (const key of Object.keys(map)) {
      const star = key.indexOf('*');
      if (star < 0) continue;
      const [before, after] = [key.slice(0, star), key.slice(star + 1)];
      if (subpath.startsWith(before) && subpath.endsWith(after) && subpath.length >= key.length) {
        const target = condition(map[key]);
        return target && target.replaceAll('*', subpath.slice(before.length, subpath.length - after.length));
      }
    }
    return null;
  }

  function asPackage(request) {
    const parts = request.split('/');
    const name = parts.splice(0, request.startsWith('@') ? 2 : 1).join('/');
    const subpath = parts.length ? './' + parts.join('/') : '.';
    for (const root of ['/app/node_modules', '/lib/node_modules']) {
      const folder = `${root}/${name}`;
      const described = manifest(folder);
      if (described && described.exports !== undefined) {
        const target = exported(described, subpath);
        if (target) return normalize(folder + '/' + target);
      }
      const path = normalize(folder + '/' + subpath);
      const found = (subpath !== '.' && asFile(path)) || asFolder(path);
      if (found) return found;
    }
    return null;
  }

  function resolve(request, from) {
    if (request.startsWith('.') || request.startsWith('/')) {
      const path = normalize(request.startsWith('/') ? request : from + '/' + request);
      return asFile(path) || asFolder(path);
    }
    // A package may bring packages of its own.
    for (let folder = from; folder.startsWith('/app/node_modules/'); folder = dirname(folder)) {
      const nested = normalize(folder + '/node_modules/' + request);
      const found = asFile(nested) || asFolder(nested);
      if (found) return found;
    }
    return asPackage(request);
  }

  function missing(request, from) {
    const error = new Error(`Cannot find module '${request}'\nRequire stack:\n- ${from}`);
    error.code = 'MODULE_NOT_FOUND';
    error.requireStack = [from];
    return error;
  }

  function load(path, parent) {
    if (loaded[path]) return loaded[path].exports;
    const module = { id: path, filename: path, path: dirname(path), exports: {}, loaded: false, children: [], parent, paths: [] };
    loaded[path] = module;
    try {
      if (path.endsWith('.json')) {
        module.exports = JSON.parse(host.text(path));
      } else {
        const require = (module.require = requireFrom(module));
        const wrapper = host.compile(path);
        wrapper.call(module.exports, module.exports, require, module, path, dirname(path));
      }
      if (path === '/lib/node_modules/axios/dist/node/axios.cjs' || path.startsWith('/app/node_modules/axios/')) {
        builtin('internal_axios').adapt(module.exports);
      }
    } catch (error) {
      delete loaded[path];
      throw error;
    }
    module.loaded = true;
    return module.exports;
  }

  const EAGER = /^\/lib\/node_modules\/twilio\/lib\/(index|jwt\/taskrouter\/util)\.js$/;
  const LAZY = /\/twilio\/lib\/(rest\/Twilio|base\/RequestClient|jwt\/.*\/?(AccessToken|ValidationToken|\w+Capability)|credential_provider\/\w+)\.js$/;
  function requireFrom(module) {
    const require = (request) => {
      const known = builtinName(String(request));
      if (known !== null) return builtin(known);
      const path = resolve(String(request), dirname(module.filename));
      if (path === null) throw missing(request, module.filename);
      // Most functions make a document and use neither the REST client nor tokens: 230 modules that load at first use.
      if (EAGER.test(module.filename) && LAZY.test(path)) {
        const real = () => { const made = load(path, module); return made && made.__esModule ? made.default : made; };
        if (!path.includes('/credential_provider/')) return { __esModule: true, default: lazyClass(real) };
        return { __esModule: true, default: new Proxy({}, { get: (_, name) => lazyClass(() => real()[name]) }) };
      }
      return load(path, module);
    };
    require.cache = loaded;
    require.resolve = (request) => {
      const path = builtinName(request) || resolve(request, dirname(module.filename));
      if (path === null) throw missing(request, module.filename);
      return path;
    };
    require.main = undefined;
    return require;
  }

  function lazyClass(get) {
    let real = null;
    const target = function () {};
    const whole = () => {
      if (real === null) {
        real = get();
        target.prototype = real.prototype;
      }
      return real;
    };
    const handler = {};
    for (const trap of ['get', 'has', 'set', 'getPrototypeOf', 'apply', 'deleteProperty']) {
      handler[trap] = (_, ...rest) => Reflect[trap](whole(), ...rest.slice(0, trap === 'get' ? 1 : 3));
    }
    handler.construct = (_, args, caller) => Reflect.construct(whole(), args, caller === proxy ? whole() : caller);
    const proxy = new Proxy(target, handler);
    return proxy;
  }

  const root = requireFrom({ filename: '/app/functions/.', id: '.' });
  return { builtin, load, require: root };
});
